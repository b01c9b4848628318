#include "base/program.h"

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/interrupt.h"

int exit_code_find(const struct exit_code *table, enum error_kind kind)
{
	for (const struct exit_code *row = table; row->kind != ERROR_NONE; row++)
		if (row->kind == kind)
			return row->code;
	return kind == ERROR_NONE ? 0 : 1;
}

/* A descriptor below 3 that is closed would be taken by the first file that is opened, which then
 * receives our messages. */
static void open_standard_descriptors(void)
{
	int fd;
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd < 3)
		;
	if (fd < 0)
		_exit(1);
	close(fd);
}

void program_begin(void)
{
	open_standard_descriptors();
	setlocale(LC_CTYPE, "C.UTF-8");
	umask(022);
	interrupt_setup();
}

/* The descriptor that --progress-fd or VZ_PROGRESS_FD names, or -1. */
static int progress_fd(const char *option)
{
	const char *text = option ?: getenv("VZ_PROGRESS_FD");
	if (!text || !*text)
		return -1;
	char *end;
	long fd = strtol(text, &end, 10);
	return *end || fd < 0 || fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0 ? -1 : (int)fd;
}

/* A window may change its size while the program runs. */
static void window(unsigned *columns, unsigned *rows)
{
	struct winsize size = { 0 };

	ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	*columns = size.ws_col;
	*rows = size.ws_row;
}

struct report *program_report(const char *program, const char *command,
			      const struct program_options *options)
{
	const char *no_color = getenv("NO_COLOR");
	bool terminal = isatty(STDERR_FILENO);
	struct report_options made = {
		.program = program,
		.command = command,
		.json = options->json,
		.quiet = options->quiet,
		.verbose = options->verbose,
		.terminal = terminal && !options->json,
		.color = terminal && !(no_color && *no_color),
		.window = window,
		.progress_fd = progress_fd(options->progress_fd),
	};
	return report_new(&made);
}
