/*
 * The smallest PID 1 that a test can do something with: says on the console that it runs, reaps, and ends when
 * it is told to. SIGTERM, SIGPWR, SIGUSR1, SIGUSR2 and SIGRTMIN+3 power off, SIGINT and SIGHUP restart: by
 * reboot(2), which in a pid namespace ends init by SIGINT or SIGHUP (pid_namespaces(7)).
 *
 * Without libc, so that it is a few KB and its start costs nothing that a comparison would measure:
 *   cc -nostdlib -static -ffreestanding -fno-stack-protector -mgeneral-regs-only -Os -s
 *
 * Signals stay blocked and are waited for. A blocked signal reaches PID 1 although its action is the default,
 * which otherwise is dropped. SIGTERM has a handler that never runs, for those who look in /proc at what is caught.
 */
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/reboot.h>
#include <linux/wait.h>

#define FIRST_REALTIME 32 /* the kernel's SIGRTMIN; libc's is two higher */

static long call4(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	long result;
	register long r10 __asm__("r10") = d;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
#else
#error "one more way to call the kernel is needed here"
#endif
}

/* Opened anew each time: a console that is not there, or not any more, is no reason to fail. */
static void say(const char *text)
{
	long length = 0;
	long fd = call4(__NR_openat, AT_FDCWD, (long)"/dev/console",
			O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	while (text[length])
		length++;
	call4(__NR_write, fd, (long)text, length, 0);
	call4(__NR_close, fd, 0, 0, 0);
}

static void end(unsigned int command)
{
	say(command == LINUX_REBOOT_CMD_RESTART ? "trivial-init: restarts\n"
						: "trivial-init: powers off\n");
	call4(__NR_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, 0);
	/* Not allowed to: an end is an end. */
	call4(__NR_exit_group, 0, 0, 0, 0);
}

static void take(long number)
{
	switch (number) {
	case SIGTERM:
	case SIGPWR:
	case SIGUSR1:
	case SIGUSR2:
	case FIRST_REALTIME + 2 + 3:
		end(LINUX_REBOOT_CMD_POWER_OFF);
		break;
	case SIGINT:
	case SIGHUP:
		end(LINUX_REBOOT_CMD_RESTART);
		break;
	default:
		break;
	}
}

static void never(int number)
{
	(void)number;
}

void _start(void)
{
	unsigned long every = ~0UL;
	struct sigaction action = { .sa_handler = never };

	/* On a host this would be asking for its end. */
	if (call4(__NR_getpid, 0, 0, 0, 0) != 1)
		call4(__NR_exit_group, 1, 0, 0, 0);
	call4(__NR_rt_sigprocmask, SIG_SETMASK, (long)&every, 0, sizeof every);
	call4(__NR_rt_sigaction, SIGTERM, (long)&action, 0, sizeof every);
	call4(__NR_chdir, (long)"/", 0, 0, 0);
	say("trivial-init: runs\n");
	for (;;) {
		long number = call4(__NR_rt_sigtimedwait, (long)&every, 0, 0, sizeof every);
		while (call4(__NR_wait4, -1, 0, WNOHANG, 0) > 0)
			;
		take(number);
	}
}
