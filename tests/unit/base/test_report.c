#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/report.h"

static uint64_t now;

static uint64_t fake_clock(void)
{
	return now;
}

/* What a run of events prints. */
struct output {
	char *out, *err;
	size_t out_size, err_size;
	FILE *out_file, *err_file;
	struct report *report;
};

static void begin(struct output *output, struct report_options options)
{
	*output = (struct output){ 0 };
	output->out_file = options.out = open_memstream(&output->out, &output->out_size);
	output->err_file = options.err = open_memstream(&output->err, &output->err_size);
	options.program = "vzpkg";
	options.command = "test";
	options.now_ms = fake_clock;
	if (!options.progress_fd)
		options.progress_fd = -1;
	now = 1000;
	output->report = report_new(&options);
}

static void finish(struct output *output, json_t *result)
{
	assert_int_equal(report_finish(output->report, result, NULL), 0);
	report_free(output->report);
	fclose(output->out_file);
	fclose(output->err_file);
}

static void release(struct output *output)
{
	free(output->out);
	free(output->err);
}

static void download(struct report *report)
{
	report_phase(report, "downloading", REPORT_BYTES, 4000000, 50);
	now += 1000;
	report_progress(report, 1000000, "bash");
	now += 1000;
	report_progress(report, 4000000, NULL);
	report_phase_end(report);
}

static void pipe_lines(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	begin(&output, (struct report_options){ 0 });
	download(output.report);
	report_warning(output.report, "x", "careful with %s", "it");
	finish(&output, NULL);
	assert_string_equal(output.err, "downloading…\ndownloading: 4.0 MB in 2.0 s\n"
					"vzpkg: warning: x: careful with it\n");
	assert_string_equal(output.out, "");
}

static void quiet_keeps_warnings(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	begin(&output, (struct report_options){ .quiet = true });
	download(output.report);
	report_info(output.report, "nothing");
	report_warning(output.report, NULL, "careful");
	finish(&output, NULL);
	assert_string_equal(output.err, "vzpkg: warning: careful\n");
}

static void terminal_line(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	begin(&output, (struct report_options){ .terminal = true, .columns = 40 });
	download(output.report);
	finish(&output, NULL);
	assert_non_null(strstr(output.err, "\rdownloading  25 %  1.0 MB of 4.0 MB, 1"));
	assert_null(strstr(output.err, "bash")); /* cut at the width */
	assert_non_null(strstr(output.err, "\r\033[Jdownloading: 4.0 MB in 2.0 s\n"));
}

static void control_characters_are_not_printed(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	begin(&output, (struct report_options){ .terminal = true });
	report_phase(output.report, "x", REPORT_ITEMS, 2, 1);
	now += 200;
	report_progress(output.report, 1, "evil\033]0;title\007");
	finish(&output, NULL);
	assert_non_null(strstr(output.err, "evil?]0;title?"));
}

static void messages_do_not_drive_a_terminal(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	struct error err = ERROR_INIT;
	begin(&output, (struct report_options){ 0 });
	report_info(output.report, "%s", "\033[2Ja\nb\tc");
	report_warning(output.report, "p\a", "\xc2\x9bx");
	error_set(&err, ERROR_INSTALL, "it said \xff\033]0;x\007");
	error_hint(&err, "look\033c");
	report_error(output.report, &err, 70);
	error_clear(&err);
	finish(&output, NULL);
	assert_string_equal(output.err, "vzpkg: ?[2Ja\nb\tc\n"
					"vzpkg: warning: p?: ?x\n"
					"vzpkg: error: it said ??]0;x?\nhint: look?c\n");
}

/* A line is redrawn ten times a second at most, and never wider than the terminal. */
static void redrawing(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	begin(&output, (struct report_options){ .terminal = true, .columns = 20 });
	report_phase(output.report, "xx", REPORT_ITEMS, 1000, 1);
	for (uint64_t i = 1; i <= 1000; i++) {
		now += 1;
		report_progress(output.report, i, "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc");
	}
	report_free(output.report);
	fclose(output.out_file);
	fclose(output.err_file);

	unsigned lines = 0;
	for (char *line = output.err; (line = strstr(line, "\rxx")); lines++) {
		unsigned columns = 0;
		while (*++line != '\033')
			columns += (*line & 0xc0) != 0x80;
		assert_true(columns <= 19);
	}
	assert_int_equal(lines, 11); /* the first, and ten */
	size_t length = strlen(output.err);
	assert_string_equal(output.err + length - 4, "\r\033[J"); /* it is cleared at the end */
}

static void messages_above_the_line(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	begin(&output, (struct report_options){ .terminal = true, .color = true });
	report_phase(output.report, "x", REPORT_ITEMS, 0, 1);
	report_warning(output.report, NULL, "careful");
	finish(&output, NULL);
	assert_string_equal(output.err, "\rx\033[J\r\r\033[J"
					"vzpkg: \033[33mwarning: \033[0mcareful\n"
					"\rx\033[J\r\r\033[Jx: 0.0 s\n");
}

static unsigned window_rows;

static void fake_window(unsigned *columns, unsigned *rows)
{
	*columns = 12;
	*rows = window_rows;
}

/* What has no room in the window, which may change, is counted; lines of results come above; it goes with the phase. */
static void table(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	AUTO(strvec_release) struct strvec lines = STRVEC_INIT;
	strvec_push(&lines, "101  0123456789");
	strvec_push(&lines, "102\033");
	strvec_push(&lines, "103");
	begin(&output, (struct report_options){ .terminal = true, .window = fake_window });
	window_rows = 5;
	report_phase(output.report, "x", REPORT_ITEMS, 4, 1);
	now += 200;
	report_table(output.report, &lines);
	report_progress(output.report, 1, NULL);
	report_output(output.report, "100: done");
	now += 200;
	window_rows = 3;
	report_progress(output.report, 1, NULL);
	now += 200;
	window_rows = 1;
	report_progress(output.report, 1, NULL);
	report_phase_end(output.report);
	report_phase(output.report, "y", REPORT_ITEMS, 0, 1);
	finish(&output, NULL);
	assert_string_equal(output.err, "\rx   0 %\033[J\r"
					"\rx  25 %  1 \033[K\r\n101  012345\033[K\r\n102?"
					"\033[K\r\n103\033[J\033[3A\r"
					"\r\033[J"
					"\rx  25 %  1 \033[K\r\n… 3 more\033[J\033[1A\r"
					"\rx  25 %  1 \033[J\r"
					"\r\033[Jx: 1 in 0.6 s\n"
					"\ry\033[J\r\r\033[Jy: 0.0 s\n");
	assert_string_equal(output.out, "100: done\n");
}

/* On a pipe there is none. */
static void no_table_on_a_pipe(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	AUTO(strvec_release) struct strvec lines = STRVEC_INIT;
	strvec_push(&lines, "101");
	begin(&output, (struct report_options){ 0 });
	report_phase(output.report, "x", REPORT_ITEMS, 4, 1);
	report_table(output.report, &lines);
	report_progress(output.report, 1, "one");
	finish(&output, NULL);
	assert_string_equal(output.err, "x…\nx: 1 in 0.0 s\n");
}

static void time_left(void **state)
{
	(void)state;
	static const struct {
		uint64_t total;
		const char *left;
	} cases[] = {
		{ 100, "99 s left" },    { 101, "1:40 min left" }, { 3601, "60:00 min left" },
		{ 7261, "2:01 h left" }, { 1, "1 of 1" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(release) struct output output;
		begin(&output, (struct report_options){ .terminal = true });
		report_phase(output.report, "x", REPORT_ITEMS, cases[i].total, 1);
		now += 1000;
		report_progress(output.report, 1, NULL);
		finish(&output, NULL);
		if (!strstr(output.err, cases[i].left))
			fail_msg("%s: %s", cases[i].left, output.err);
	}
}

static void amounts(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 1, "x: 1 B in 0.0 s\n" },
		{ 999, "x: 999 B in 0.0 s\n" },
		{ 1000, "x: 1.0 kB in 0.0 s\n" },
		{ 31200000, "x: 31.2 MB in 0.0 s\n" },
		{ 123456789, "x: 123 MB in 0.0 s\n" },
		{ 999960000, "x: 1.0 GB in 0.0 s\n" },
		{ UINT64_MAX, "x: 18446744 TB in 0.0 s\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(release) struct output output;
		begin(&output, (struct report_options){ 0 });
		report_phase(output.report, "x", REPORT_BYTES, 0, 1);
		report_progress(output.report, cases[i].bytes, NULL);
		finish(&output, NULL);
		assert_string_equal(output.err + strlen("x…\n"), cases[i].text);
	}
}

static void verbose_and_none(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	struct error err = ERROR_INIT;
	begin(&output, (struct report_options){ .verbose = true });
	report_detail(output.report, "detail");
	report_info(output.report, "info");
	report_total(output.report, 5);
	report_progress(output.report, 5, NULL); /* of no phase */
	report_phase_end(output.report);
	finish(&output, NULL);
	assert_string_equal(output.err, "vzpkg: detail\nvzpkg: info\n");

	/* Libraries may be called without a report. */
	report_phase(NULL, "x", REPORT_ITEMS, 1, 1);
	report_total(NULL, 1);
	report_progress(NULL, 1, NULL);
	report_phase_end(NULL);
	report_info(NULL, "x");
	report_detail(NULL, "x");
	report_warning(NULL, NULL, "x");
	report_error(NULL, &err, 1);
	report_free(NULL);
}

/* What is not UTF-8 must not make an error vanish from the document. */
static void json_takes_any_bytes(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	struct error err = ERROR_INIT;
	begin(&output, (struct report_options){ .json = true });
	error_set(&err, ERROR_INSTALL, "unpacking \xe9t\xe9");
	error_subject(&err, "\xff");
	report_error(output.report, &err, 70);
	error_clear(&err);
	report_warning(output.report, "\xfe", "\xf0\x9f");
	finish(&output, NULL);

	json_t *document = json_loads(output.out, 0, NULL);
	const char *message, *subject, *warned;
	json_t *hint, *result;
	assert_int_equal(json_unpack(document, "{s:[{s:s s:s s:o}] s:[{s:s}] s:o}", "errors",
				     "message", &message, "subject", &subject, "hint", &hint,
				     "warnings", "message", &warned, "result", &result),
			 0);
	assert_string_equal(message, "unpacking ?t?");
	assert_string_equal(subject, "?");
	assert_string_equal(warned, "??");
	assert_true(json_is_null(hint) && json_is_null(result));
	json_decref(document);
}

static void full_output(void **state)
{
	(void)state;
	for (int json = 0; json < 2; json++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct report_options options = {
			.program = "vzpkg", .command = "list", .json = json, .progress_fd = -1
		};
		options.out = fopen("/dev/full", "we");
		assert_non_null(options.out);
		struct report *report = report_new(&options);
		fputs("a line", options.out);
		assert_int_equal(report_finish(report, json_integer(1), &err), -1);
		assert_int_equal(err.kind, ERROR_NO_SPACE);
		report_freep(&report);
		assert_null(report);
		fclose(options.out);
	}
}

static void timing(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	const char *phase;
	int ms;
	begin(&output, (struct report_options){ .quiet = true });
	download(output.report);
	json_t *told = report_timing(output.report);
	assert_int_equal(json_unpack(told, "[{s:s s:i}]", "phase", &phase, "ms", &ms), 0);
	assert_string_equal(phase, "downloading");
	assert_int_equal(ms, 2000);
	json_decref(told);
	finish(&output, NULL);
}

/* It never goes back, and a caller that has gone does not stop the work. */
static void percent_of_a_growing_total(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	int fds[2];
	char text[512];
	assert_int_equal(pipe(fds), 0);
	begin(&output, (struct report_options){ .progress_fd = fds[1], .quiet = true });
	signal(SIGPIPE, SIG_IGN);
	report_phase(output.report, "x", REPORT_ITEMS, 2, 100);
	now += 1000;
	report_progress(output.report, 1, NULL);
	report_total(output.report, 10);
	now += 1000;
	report_progress(output.report, 2, NULL);
	now += 1000;
	report_progress(output.report, 6, NULL);
	ssize_t length = read(fds[0], text, sizeof(text) - 1);
	text[length > 0 ? length : 0] = '\0';
	assert_string_equal(text, "percent=0 stage=x\npercent=50 stage=x\npercent=60 stage=x\n");
	close(fds[0]);
	now += 1000;
	report_progress(output.report, 8, NULL);
	finish(&output, NULL);
	close(fds[1]);
}

static void json_document(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	struct error err = ERROR_INIT;
	begin(&output, (struct report_options){ .json = true });
	download(output.report);
	error_set(&err, ERROR_TRUST, "bad \"thing\"");
	error_subject(&err, "thing");
	report_warning(output.report, NULL, "careful");
	report_error(output.report, &err, 74);
	error_clear(&err);
	finish(&output, json_integer(5));

	json_t *document = json_loads(output.out, 0, NULL);
	assert_non_null(document);
	const char *message, *kind;
	int code, schema, result;
	assert_int_equal(json_unpack(document, "{s:i s:i s:[{s:i s:s s:s}]}", "schema", &schema,
				     "result", &result, "errors", "code", &code, "kind", &kind,
				     "message", &message),
			 0);
	assert_int_equal(schema, 1);
	assert_int_equal(result, 5);
	assert_int_equal(code, 74);
	assert_string_equal(kind, "trust");
	assert_string_equal(message, "bad \"thing\"");
	json_decref(document);
}

static void percent_lines(void **state)
{
	(void)state;
	AUTO(release) struct output output;
	int fds[2];
	char text[512];

	assert_int_equal(pipe(fds), 0);
	begin(&output, (struct report_options){ .progress_fd = fds[1] });
	download(output.report);
	report_phase(output.report, "packing", REPORT_ITEMS, 2, 50);
	finish(&output, NULL);
	close(fds[1]);
	ssize_t length = read(fds[0], text, sizeof(text) - 1);
	assert_true(length > 0);
	text[length] = '\0';
	close(fds[0]);
	assert_string_equal(text, "percent=0 stage=downloading\npercent=12 stage=downloading\n"
				  "percent=50 stage=downloading\npercent=50 stage=downloading\n"
				  "percent=50 stage=packing\npercent=100 stage=packing\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipe_lines),
		cmocka_unit_test(quiet_keeps_warnings),
		cmocka_unit_test(terminal_line),
		cmocka_unit_test(control_characters_are_not_printed),
		cmocka_unit_test(json_document),
		cmocka_unit_test(percent_lines),
		cmocka_unit_test(messages_do_not_drive_a_terminal),
		cmocka_unit_test(redrawing),
		cmocka_unit_test(messages_above_the_line),
		cmocka_unit_test(table),
		cmocka_unit_test(no_table_on_a_pipe),
		cmocka_unit_test(time_left),
		cmocka_unit_test(amounts),
		cmocka_unit_test(verbose_and_none),
		cmocka_unit_test(json_takes_any_bytes),
		cmocka_unit_test(full_output),
		cmocka_unit_test(timing),
		cmocka_unit_test(percent_of_a_growing_total),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
