// A data abort of the guest has come to EL2. Page its memory in: then x0 is 1, and the guest tries again; x0 is 0 if the
// address is not in its memory. You may change x0 to x10; the guest's are kept already.
//
//      WINDOW          IPA of the guest's memory, 2 MiB
//      window3         its table of level 3, 512 entries
//      next_frame      a word: the PA of the next free frame, 4 KiB; the one behind it is free, too

page_in:
        mov     x0, #0                  // TODO
        ret
