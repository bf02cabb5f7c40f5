"""A CPU and a power controller that only remember what was done to them, for the tests of the firmware."""

from typing import Any

from arm_hyp.machine.firmware import Firmware

MASK_64 = (1 << 64) - 1
RAM = range(0x4000_0000, 0x4100_0000)
GARBAGE = 0xDEAD_BEEF_0000_0000
"""For the upper halves of W registers."""


class FakeCore:
    """Registers, and what the firmware asked of the CPU."""

    def __init__(self, *registers: int, el: int = 1) -> None:
        self.registers = [*registers, *(0x1000 + index for index in range(len(registers), 31))]
        self.el, self.index, self.pc = el, 0, 0x4008_0004
        self.stops = 0
        self.events: list[dict[str, Any]] = []

    def x(self, index: int) -> int:
        return self.registers[index]

    def set_x(self, index: int, value: int) -> None:
        assert 0 <= value <= MASK_64
        self.registers[index] = value

    def emit(self, make: type, **fields: Any) -> None:
        self.events.append(fields)

    def request_stop(self) -> None:
        self.stops += 1


class FakePower:
    """CPUs by affinity with their states; `done` is the list of what was asked for."""

    def __init__(self) -> None:
        self.states = {0x000: "on", 0x001: "off", 0x002: "pending", 0x100: "off"}
        self.done: list[tuple[Any, ...]] = []

    @property
    def cpus(self) -> int:
        return len(self.states)

    def state(self, mpidr: int) -> Any:
        return self.states.get(mpidr)

    def power_on(self, mpidr: int, entry: int, context_id: int) -> None:
        assert self.states[mpidr] == "off"
        self.done.append(("on", mpidr, entry, context_id))

    def power_off(self, core: Any) -> None:
        self.done.append(("off", core))

    def suspend(self, core: Any) -> None:
        self.done.append(("suspend", core))

    def system_off(self, status: int, text: str) -> None:
        self.done.append(("system off", status, text))

    def system_reset(self) -> None:
        self.done.append(("system reset",))


def no_memory(core: Any, address: int, size_bytes: int) -> bytes | None:
    """Fault at every address."""
    return None


def firmware(power: FakePower | None = None, **options: Any) -> Firmware:
    """Make a firmware for four CPUs, with RAM the only place to start at."""
    options.setdefault("can_start_at", RAM.__contains__)
    return Firmware(lambda byte: None, no_memory, power=power or FakePower(), **options)


def call(made: Firmware, *registers: int, **options: Any) -> FakeCore:
    """Call the firmware by SMC with X0, X1, ..."""
    core = FakeCore(*registers, **options)
    made.call(core, "smc")  # type: ignore[arg-type]
    return core


def signed(core: FakeCore) -> int:
    """Return X0 as a signed number."""
    return core.x(0) - (1 << 64) if core.x(0) >> 63 else core.x(0)


class FakeMemory:
    """Guest memory of two pages at 0x1000; all else faults, and 0x2000 on is read-only. `text` is what was printed."""

    BASE, READ_ONLY, END = 0x1000, 0x2000, 0x3000

    def __init__(self) -> None:
        self.data = bytearray(self.END - self.BASE)
        self.text = bytearray()

    def read(self, core: Any, address: int, size_bytes: int) -> bytes | None:
        if not self.BASE <= address <= self.END - size_bytes:
            return None
        return bytes(self.data[address - self.BASE : address - self.BASE + size_bytes])

    def write(self, core: Any, address: int, data: bytes) -> bool:
        if not self.BASE <= address <= self.READ_ONLY - len(data):
            return False
        self.put(address, data)
        return True

    def put(self, address: int, data: bytes) -> None:
        self.data[address - self.BASE : address - self.BASE + len(data)] = data
