// Two descriptors of level 3: pages of 4 KiB. VA, IPA and PA are numbers here; `+` and `|` and `<<` make others of them.

        .equ    STAGE1, 0               // TODO: in the guest's table, VA leads to IPA
        .equ    STAGE2, 0               // TODO: in the hypervisor's table, IPA leads to PA
