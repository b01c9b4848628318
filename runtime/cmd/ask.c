#include "runtime/cmd/ask.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/interrupt.h"
#include "base/strbuf.h"

enum { LINE_LIMIT = 4096 };

/* Not by stdio, which would read more than the line. A signal ends it. */
static int read_line(struct strbuf *line, struct error *err)
{
	char c = 0;
	while (c != '\n' && line->length < LINE_LIMIT) {
		ssize_t got = read(STDIN_FILENO, &c, 1);
		if (interrupt_check(err) < 0)
			return -1;
		if (got < 0)
			return error_errno(err, errno, "reading standard input");
		if (got == 0)
			break;
		if (c != '\n')
			strbuf_addc(line, c);
	}
	return 0;
}

static int read_hidden(const char *prompt, const struct termios *before, struct strbuf *line,
		       struct error *err)
{
	struct termios hidden = *before;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	/* What is typed from the prompt on is not shown, and counts. */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	fputs(prompt, stderr);
	int result = read_line(line, err);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, before);
	fputc('\n', stderr);
	return result;
}

int ask_secret(const char *prompt, char **ret, struct error *err)
{
	struct strbuf line = STRBUF_INIT;
	struct termios modes;
	bool typed = tcgetattr(STDIN_FILENO, &modes) == 0;
	int result = typed ? read_hidden(prompt, &modes, &line, err) : read_line(&line, err);
	if (result == 0 && !line.length)
		result = error_set(err, ERROR_VALUE, "there is nothing on standard input");
	if (result == 0)
		*ret = strbuf_detach(&line);
	strbuf_release(&line);
	return result;
}
