"""The socket: one client at a time, its packets to a `Stub` and the answers back.

Read `packets.py` and `stub.py` before this file. All in one thread: while the machine moves, whoever waits for it looks
at what is `beside`, and so sees an interrupt. A second client is sent away; the connection lost, the machine stays
where it is until another one comes.
"""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Final, NamedTuple

from arm_hyp.debug.gdb.debuggee import Debuggee
from arm_hyp.debug.gdb.packets import Acknowledged, Broken, Decoder, Interrupted, Item, Packet, encode
from arm_hyp.debug.gdb.stub import Ending, Stub
from arm_hyp.errors import UserError

DEFAULT_PORT: Final = 1234
LOOPBACK: Final = "127.0.0.1"
_READ_BYTES: Final = 1 << 16
_MALFORMED: Final = b"E16"


class Address(NamedTuple):
    """Where to listen. Port 0 is any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer can connect."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def parse_address(text: str) -> Address:
    """Parse [HOST:]PORT; an IPv6 address in brackets. Raises: UserError."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        raise UserError(f"--gdb {text}", f"{port or text!r} is no port", "give a number from 0 to 65535, or HOST:PORT")
    return Address(host.strip("[]") or LOOPBACK, int(port))


class Client:
    """A connection: items come out of it, packets go in. Once it `is_lost` both do nothing."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.connection, self.name = connection, name
        self.items: deque[Item] = deque()
        self.is_lost = False
        self._decoder = Decoder()
        self._last = b""

    def receive(self) -> None:
        """Take what has come, without waiting."""
        try:
            data = self.connection.recv(_READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.is_lost = self.is_lost or not data
        self.items += self._decoder.feed(data)

    def send(self, data: bytes) -> None:
        """Send the data of a packet."""
        self._last = encode(data)
        self.send_raw(self._last)

    def send_again(self) -> None:
        """Send the last packet again."""
        self.send_raw(self._last)

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self.connection.sendall(data)
        except OSError:
            self.is_lost = True

    def forget_interrupts(self) -> None:
        """Drop the interrupts that have come: what they were meant for stands."""
        self.items = deque(item for item in self.items if not isinstance(item, Interrupted))

    @property
    def is_interrupted(self) -> bool:
        """Whether it wants whatever moves to stop; so does a client that has gone."""
        return self.is_lost or any(isinstance(item, Interrupted) for item in self.items)


class Server:
    """A listening socket and at most one client. `say` gets a line for the user about everything that happens there.

    `others` gives descriptors to look at as well, each with what is to be done when it becomes readable; `is_ended`
    tells whether the user wants the run to end.
    """

    def __init__(
        self,
        address: Address,
        say: Callable[[str], None],
        others: Callable[[], Mapping[int, Callable[[], None]]] = dict,
        is_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self._say, self._others, self._is_ended = say, others, is_ended
        self._client: Client | None = None
        self._stop: Callable[[], None] | None = None  # while the machine moves, and nobody has stopped it
        self._had_client = False
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((address.host, address.port))
            self._listener.listen(4)
        except OSError as error:
            self._listener.close()
            why = error.strerror or str(error)
            raise UserError(f"--gdb {address.host}:{address.port}", why, "give another port; 0 picks one") from None
        self._listener.setblocking(False)
        self.address = Address(*self._listener.getsockname()[:2])

    def close(self) -> None:
        """Close everything."""
        self._drop_client()
        self._listener.close()

    @property
    def has_client(self) -> bool:
        """Whether somebody is connected."""
        return self._client is not None

    # --- one session -------------------------------------------------------------------------------------------------

    def serve(self, debuggee: Debuggee, exit_status: Callable[[], int]) -> Ending:
        """Serve clients until one has detached, killed the run, or seen its end."""
        while not self._is_ended():
            if self._client is None:
                self._wait(self._listener)
                self._accept()
                continue
            ending = self._attend(self._client, debuggee, exit_status)
            self._drop_client()
            if ending is not None:
                return ending
            if not self._is_ended():
                self._say("gdb: the connection is lost; the run stays where it is, and waits for the next one")
        self._drop_client()
        return Ending.ENDED

    def _wait(self, *sockets: socket.socket) -> None:
        """Wait until something comes."""
        others = self._others()
        watched: list[socket.socket | int] = [*sockets, *others]
        for one in select.select(watched, [], [])[0]:
            if isinstance(one, int):
                others[one]()

    def _attend(self, client: Client, debuggee: Debuggee, exit_status: Callable[[], int]) -> Ending | None:
        """Serve one client to the end of its session; None if the connection is lost before."""
        stub = Stub(debuggee, exit_status)
        while stub.ending is None and not client.is_lost and not self._is_ended():
            if client.items:
                self._answer(client, stub, debuggee)
            else:
                self._wait(self._listener, client.connection)
                client.receive()
                self._accept()
        return stub.ending

    def _answer(self, client: Client, stub: Stub, debuggee: Debuggee) -> None:
        item = client.items.popleft()
        if isinstance(item, Packet):
            if stub.wants_acknowledgements:
                client.send_raw(b"+")
            with self.attended(debuggee.stop) if stub.moves(item.data) else nullcontext():
                answers = stub.handle(item.data)
            for answer in answers:
                client.send(answer)
        elif isinstance(item, Acknowledged) and not item.is_good:
            client.send_again()
        elif isinstance(item, Broken):
            self._refuse(client, item, stub.wants_acknowledgements)

    def _refuse(self, client: Client, broken: Broken, wants_acknowledgements: bool) -> None:
        """Ask for a packet again that was damaged on the way; answer one that will never be right with an error."""
        self._say(f"gdb: {broken.why}")
        if broken.may_repeat and wants_acknowledgements:
            client.send_raw(b"-")
        else:
            client.send(_MALFORMED)

    # --- while the machine moves -------------------------------------------------------------------------------------

    @contextmanager
    def attended(self, stop: Callable[[], None]) -> Iterator[None]:
        """Have `stop` called when the client interrupts or has gone, or when one comes where there was none.

        Once at most. Whoever waits for the machine looks at what is `beside`.
        """
        self._stop, self._had_client = stop, self._client is not None
        try:
            yield
        finally:
            self._stop = None
            if self._client is not None:
                self._client.forget_interrupts()

    def beside(self) -> Mapping[int, Callable[[], None]]:
        """Return what to look at while the machine works, each with what is to be done when something comes there."""
        self._stop_if_wanted()  # by what came before
        client = self._client
        if client is not None and client.is_lost:  # who comes next waits until the machine stands
            return self._others()
        theirs = {} if client is None else {client.connection.fileno(): self._look}
        return {self._listener.fileno(): self._look, **theirs, **self._others()}

    def _look(self) -> None:
        """Look what has come: first whether the client has gone, for then another may come."""
        if self._client is not None:
            self._client.receive()
        self._accept()
        self._stop_if_wanted()

    def _stop_if_wanted(self) -> None:
        stop, client = self._stop, self._client
        if stop is not None and client is not None and (client.is_interrupted or not self._had_client):
            self._stop = None
            stop()

    # --- connections -------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        """Take whoever has connected; send all but the first away. Where the first has gone, they wait."""
        while self._client is None or not self._client.is_lost:
            try:
                connection, peer = self._listener.accept()
            except OSError:  # nobody, or nobody any more
                return
            name = f"{peer[0]}:{peer[1]}"
            if self._client is not None:
                self._say(
                    f"gdb: {name} was sent away: {self._client.name} is connected, and one is all that there can be"
                )
                connection.close()
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client = Client(connection, name)
            self._say(f"gdb: {name} is connected")

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.connection.close()
            self._client = None
