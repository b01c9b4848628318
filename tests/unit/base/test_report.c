#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
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
	assert_non_null(strstr(output.err, "\r\033[Kdownloading  25 %  1.0 MB of 4.0 MB, 1"));
	assert_null(strstr(output.err, "bash")); /* cut at the width */
	assert_non_null(strstr(output.err, "\r\033[Kdownloading: 4.0 MB in 2.0 s\n"));
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
