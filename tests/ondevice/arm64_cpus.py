"""The ARM64 cores that can be emulated, and what their kernel would say of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cpu:
    """One core.

    Attributes:
        qemu: Its name for `qemu-aarch64 -cpu`.
        part: Its part number in /proc/cpuinfo.
        features: Its features in /proc/cpuinfo: those that qemu's HWCAP announces.
    """

    qemu: str
    part: str
    features: str

    def cpuinfo(self) -> str:
        """Returns the text of /proc/cpuinfo.

        LiteRT picks its kernels by this file. Without an ARM one it reads the host's and crashes;
        with another core's it picks instructions that the emulated core does not have.
        """
        return (
            "processor\t: 0\n"
            "BogoMIPS\t: 100.00\n"
            f"Features\t: {self.features}\n"
            "CPU implementer\t: 0x41\n"
            "CPU architecture: 8\n"
            "CPU variant\t: 0x0\n"
            f"CPU part\t: {self.part}\n"
            "CPU revision\t: 3\n\n"
        )


_ARMV8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_ARMV82 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp"
)

# No `max`: qemu 7.2 computes wrong int8 results with it (its i8mm instructions).
CPUS = {
    cpu.qemu: cpu
    for cpu in (
        Cpu("cortex-a53", "0xd03", _ARMV8),  # Raspberry Pi 3, low-cost phones: no dot product
        Cpu("cortex-a72", "0xd08", _ARMV8),  # Raspberry Pi 4: no dot product
        Cpu("cortex-a76", "0xd0b", _ARMV82),  # Raspberry Pi 5, phones since 2019: dot product
    )
}
