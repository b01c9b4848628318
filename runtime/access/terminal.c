#include "runtime/access/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Signals that end the program where it stands; the others are base/interrupt.h's. */
static const int fatal[] = { SIGQUIT, SIGABRT, SIGSEGV, SIGBUS,  SIGILL, SIGFPE,
			     SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGSYS };
enum { FATAL_COUNT = sizeof(fatal) / sizeof(*fatal) };

/* For the handlers and for exit(), which know nothing else. */
static struct {
	volatile sig_atomic_t raw;
	pid_t owner; /* not a child of ours that ends */
	int fd;
	struct termios before;
	struct sigaction actions[FATAL_COUNT];
} taken;

static void restore(void)
{
	if (!taken.raw || taken.owner != getpid())
		return;
	taken.raw = 0;
	/* A terminal that is already another job's must not stop us. */
	sigset_t output, mask;
	sigemptyset(&output);
	sigaddset(&output, SIGTTOU);
	sigprocmask(SIG_BLOCK, &output, &mask);
	/* Not after what is still to be shown, which may be stopped by ^S. */
	tcsetattr(taken.fd, TCSANOW, &taken.before);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

static void restore_actions(void)
{
	for (int i = 0; i < FATAL_COUNT; i++)
		sigaction(fatal[i], &taken.actions[i], NULL);
}

static void die(int number)
{
	restore();
	restore_actions();
	raise(number);
}

static void catch_ends(void)
{
	static bool registered;
	struct sigaction action = { .sa_handler = die };
	if (!registered)
		atexit(restore);
	registered = true;
	for (int i = 0; i < FATAL_COUNT; i++) {
		sigaction(fatal[i], &action, &taken.actions[i]);
		if (taken.actions[i].sa_handler == SIG_IGN)
			sigaction(fatal[i], &taken.actions[i], NULL);
	}
}

static int make_raw(void)
{
	struct termios raw = taken.before;
	cfmakeraw(&raw);
	/* What was typed ahead stays. */
	if (tcsetattr(taken.fd, TCSANOW, &raw) < 0)
		return -1;
	taken.raw = 1;
	return 0;
}

static void pass_size(const struct terminal *terminal)
{
	struct winsize size;
	if (ioctl(terminal->fd, TIOCGWINSZ, &size) == 0)
		ioctl(terminal->other, TIOCSWINSZ, &size);
}

static int open_signals(struct terminal *terminal)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, &terminal->mask);
	terminal->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return terminal->signals;
}

int terminal_enter(int fd, int other, struct terminal *ret, struct error *err)
{
	*ret = (struct terminal){ .fd = fd, .other = other, .signals = -1 };
	taken.fd = fd;
	taken.owner = getpid();
	if (tcgetattr(fd, &taken.before) < 0)
		return error_errno(err, errno, "reading the settings of the terminal");
	if (open_signals(ret) < 0) {
		sigprocmask(SIG_SETMASK, &ret->mask, NULL);
		return error_errno(err, errno, "waiting for signals");
	}
	catch_ends();
	if (make_raw() < 0) {
		error_errno(err, errno, "setting up the terminal");
		terminal_leave(ret);
		return -1;
	}
	pass_size(ret);
	return 0;
}

/* SIGCONT says what comes next. */
static void stop(void)
{
	restore();
	raise(SIGSTOP);
}

/* Whoever had the terminal meanwhile may have changed it; what it is to be afterwards is what it is now. */
static void go_on(const struct terminal *terminal)
{
	if (!taken.raw)
		tcgetattr(taken.fd, &taken.before);
	make_raw();
	pass_size(terminal);
}

void terminal_event(struct terminal *terminal)
{
	struct signalfd_siginfo info;
	while (read(terminal->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTSTP)
			stop();
		else if (info.ssi_signo == SIGCONT)
			go_on(terminal);
		else
			pass_size(terminal);
	}
}

void terminal_leave(struct terminal *terminal)
{
	if (terminal->signals < 0)
		return;
	restore();
	restore_actions();
	cleanup_close(&terminal->signals);
	terminal->signals = -1;
	sigprocmask(SIG_SETMASK, &terminal->mask, NULL);
}
