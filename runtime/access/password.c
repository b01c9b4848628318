#include "runtime/access/password.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

enum { USER_MAX = 32, PASSWORD_MAX = 255, TIME_LIMIT_S = 60, LINES_SHOWN = 3 };

/* printf is the shell's own, or the password would be on a command line. busybox has adduser instead of useradd. */
static const char script[] = "IFS= read -r line || exit\n"
			     "user=${line%%:*}\n"
			     "if ! id -u \"$user\" >/dev/null 2>&1; then\n"
			     "	if command -v useradd >/dev/null; then useradd -m \"$user\"\n"
			     "	else adduser -D \"$user\"; fi || exit\n"
			     "fi\n"
			     "printf '%s\\n' \"$line\" | chpasswd\n";

int password_check(const char *user_password, struct error *err)
{
	size_t user = strcspn(user_password, ":");
	const char *password = user_password + user + (user_password[user] == ':');
	bool good = user > 0 && user <= USER_MAX && *password && strlen(password) <= PASSWORD_MAX &&
		    (isalpha((unsigned char)*user_password) || *user_password == '_');
	for (size_t i = 0; i < user; i++)
		good &= isalnum((unsigned char)user_password[i]) || strchr("._-", user_password[i]);
	for (const char *c = password; *c; c++)
		good &= !iscntrl((unsigned char)*c);
	if (good)
		return 0;
	error_set(err, ERROR_VALUE,
		  "--userpasswd is not USER:PASSWORD: the user has at most %d letters, digits, "
		  "\".\", "
		  "\"_\" and \"-\", the password from 1 to %d characters",
		  USER_MAX, PASSWORD_MAX);
	return error_hint(err, "with USER alone the password is asked for");
}

/* For reading; a pipe holds more than a line can have. */
static int open_line(const char *user_password, struct error *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	autoclose int to = ends[1];
	autoclose int from = ends[0];
	if (write_all(to, user_password, strlen(user_password), "a pipe", err) < 0 ||
	    write_all(to, "\n", 1, "a pipe", err) < 0)
		return -1;
	return steal_fd(&from);
}

static int judge(const struct ve_result *result, const char *user_password, struct error *err)
{
	int user = (int)strcspn(user_password, ":");
	if (WIFEXITED(result->status) && WEXITSTATUS(result->status) == 0)
		return 0;
	autofree char *output = text_clean(result->output ?: "");
	autofree char *said = text_tail(output, LINES_SHOWN);
	error_set(err, ERROR_PASSWORD,
		  "the password of %.*s cannot be set by the VE's chpasswd%s%s", user,
		  user_password, *said ? ":" : "", said);
	return error_hint(err,
			  "the VE has to have chpasswd, and useradd for a user who is not there");
}

int password_set(const struct visit_spec *spec, const char *user_password, struct error *err)
{
	static const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	AUTO(visit_freep) struct visit *visit = NULL;
	struct ve_result result = { 0 };
	if (password_check(user_password, err) < 0 || visit_open(spec, &visit, err) < 0)
		return -1;
	autoclose int input = open_line(user_password, err);
	if (input < 0)
		return -1;
	const struct ve_command command = {
		.argv = argv,
		.script = -1,
		.input = input,
		.time_limit_s = TIME_LIMIT_S,
	};
	int ret = visit_run(visit, &command, &result, err);
	if (ret == 0)
		ret = judge(&result, user_password, err);
	free(result.output);
	return ret < 0 ? -1 : visit_close(steal_ptr(visit), err);
}
