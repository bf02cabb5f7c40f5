"""The Python hypervisor: software at EL2, in the shape of KVM/arm64."""
