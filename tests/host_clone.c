/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a thread on a stack of its own, and a child on the same stack at the same time (vfork), by the C library's syscall.
   Whatever a wrapper of that keeps on its caller's stack is not found, or is overwritten. Waits for a line. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

/* Calls syscall(SYS_clone, flags, top, 0, 0, 0). What comes to be clears the stack below it, sets `arrived`, and ends.
   Where top is 0 it has its maker's stack. */
long begin_on(long flags, char *top);
extern volatile int arrived;
volatile int arrived;

#if defined(__x86_64__)
__asm__(".text\n"
	".globl begin_on\n"
	".type begin_on, @function\n"
	"begin_on:\n"
	"	subq $8, %rsp\n"
	"	movq %rsi, %rdx\n"
	"	testq %rdx, %rdx\n"
	"	jz 1f\n"
	"	leaq 2f(%rip), %rax\n" /* the place to return to is on the stack */
	"	subq $8, %rdx\n"
	"	movq %rax, (%rdx)\n"
	"1:	movq %rdi, %rsi\n"
	"	movl $56, %edi\n" /* SYS_clone */
	"	xorl %ecx, %ecx\n"
	"	xorl %r8d, %r8d\n"
	"	xorl %r9d, %r9d\n"
	"	xorl %eax, %eax\n"
	"	call syscall@PLT\n"
	"2:	testq %rax, %rax\n"
	"	jz 3f\n"
	"	addq $8, %rsp\n"
	"	ret\n"
	"3:	subq $8, %rsp\n" /* where the C library's syscall returns to, in the maker, too */
	"	movl $512, %ecx\n"
	"4:	pushq $0\n"
	"	loop 4b\n"
	"	movl $1, arrived(%rip)\n"
	"	movl $60, %eax\n" /* SYS_exit */
	"	xorl %edi, %edi\n"
	"	syscall\n"
	".size begin_on, . - begin_on\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl begin_on\n"
	".type begin_on, %function\n"
	"begin_on:\n"
	"	stp x29, x30, [sp, #-16]!\n"
	"	mov x2, x1\n"
	"	mov x1, x0\n"
	"	mov x0, #220\n" /* SYS_clone */
	"	mov x3, #0\n"
	"	mov x4, #0\n"
	"	mov x5, #0\n"
	"	bl syscall\n"
	"	cbz x0, 3f\n"
	"	ldp x29, x30, [sp], #16\n"
	"	ret\n"
	"3:	mov x0, #256\n"
	"4:	stp xzr, xzr, [sp, #-16]!\n"
	"	subs x0, x0, #1\n"
	"	b.ne 4b\n"
	"	mov w0, #1\n"
	"	adrp x1, arrived\n"
	"	str w0, [x1, :lo12:arrived]\n"
	"	mov x0, #0\n"
	"	mov x8, #93\n" /* SYS_exit */
	"	svc 0\n"
	".size begin_on, . - begin_on\n");
#endif

static char stack[1 << 16] __attribute__((aligned(16)));

int main(void)
{
	int status = -1;
	long pid;

	if (begin_on(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
		     stack + sizeof(stack)) < 0)
		return 1;
	while (!arrived)
		sched_yield();
	pid = begin_on(CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	waitpid((pid_t)pid, &status, 0);
	printf("a thread, and a child with status %d\n", status);
	fflush(stdout);
	return getchar() == EOF ? 2 : 0;
}
