/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The smallest guest that does what an ordinary kernel does first: it turns on
 * paging and long mode, touches memory, spends some time computing and says so
 * through the isa-debug-exit device. A hypervisor that cannot run it, or runs
 * it slower than emulation would, cannot run a kernel either.
 *
 * Assembled into probe.bin, which a test compares with this source:
 *   cc -m32 -nostdlib -static -Wl,-Ttext=0x100000,--oformat=binary,--build-id=none
 */
	.set	MAGIC, 0x1BADB002
	.set	ADDRESSES_GIVEN, 0x10000
	.set	TABLES, 0x200000
	.set	TOUCHED, 0x400000

	.code32
	.globl	_start
_start:
header:	/* multiboot: QEMU loads a flat image by these addresses */
	.long	MAGIC, ADDRESSES_GIVEN, -(MAGIC + ADDRESSES_GIVEN)
	.long	header, header, end, end, entry

entry:	/* one PML4 entry, one PDPT entry, 512 pages of 2 MiB: 1 GiB, identity mapped */
	movl	$(TABLES + 0x1003), TABLES
	movl	$(TABLES + 0x2003), TABLES + 0x1000
	movl	$(TABLES + 0x2000), %edi
	movl	$0x83, %eax
	movl	$512, %ecx
1:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	1b

	movl	%cr4, %eax
	orl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$TABLES, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER */
	rdmsr
	orl	$0x100, %eax		/* LME */
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000000, %eax	/* PG */
	movl	%eax, %cr0
	lgdt	gdtr
	ljmp	$8, $long_mode

	.code64
long_mode:
	movl	$TOUCHED, %edi		/* 8 MiB of memory */
	movl	$0x100000, %ecx
	movl	$0x5a5a5a5a, %eax
	rep stosq
	movl	$100000000, %ecx	/* a tenth of a second of a real CPU */
1:	decl	%ecx
	jnz	1b
	movb	$0x2a, %al		/* QEMU exits with 0x2a * 2 + 1 */
	movw	$0x501, %dx
	outb	%al, %dx
2:	hlt
	jmp	2b

	.balign	8
gdt:	.quad	0, 0x00209a0000000000
gdtr:	.word	15
	.long	gdt
end:
