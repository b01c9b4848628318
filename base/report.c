#include "base/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/screen.h"
#include "base/strbuf.h"
#include "base/text.h"

enum { REDRAW_MS = 100, FD_LINE_MS = 100 };

struct report {
	struct report_options options;
	FILE *out, *err;
	char *command;
	json_t *warnings, *errors, *timing;

	/* The phase in progress; name is NULL between phases. */
	char *name;
	enum report_unit unit;
	uint64_t total, done;
	unsigned weight;
	uint64_t begun_ms;

	unsigned weight_before; /* percent that the phases before it had */
	int percent; /* as last written to progress_fd */
	uint64_t drawn_ms, told_ms;
	char *item; /* of the progress line; may be NULL */
	struct strvec table; /* below it */
	struct screen screen;
};

static uint64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t now_ms(const struct report *report)
{
	return report->options.now_ms ? report->options.now_ms() : clock_ms();
}

struct report *report_new(const struct report_options *options)
{
	struct report *report = xcalloc(1, sizeof(*report));
	report->options = *options;
	report->out = options->out ?: stdout;
	report->err = options->err ?: stderr;
	report->screen.file = report->err;
	report->command = xstrdup_or_null(options->command);
	report->warnings = json_array();
	report->errors = json_array();
	report->timing = json_array();
	report->percent = -1;
	return report;
}

void report_be_quiet(struct report *report)
{
	report->options.quiet = true;
}

void report_command(struct report *report, const char *command)
{
	free(report->command);
	report->command = xstrdup_or_null(command);
}

/* "31.2 MB" */
static void add_bytes(struct strbuf *text, double bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	size_t unit = 0;
	while (bytes >= 999.5 && unit < 4) {
		bytes /= 1000;
		unit++;
	}
	strbuf_addf(text, unit && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static void add_amount(const struct report *report, struct strbuf *text, uint64_t amount)
{
	if (report->unit == REPORT_BYTES)
		add_bytes(text, (double)amount);
	else
		strbuf_addf(text, "%llu", (unsigned long long)amount);
}

/* ---- the progress line ------------------------------------------------------------------------ */

/* ", 4.1 MB/s, 7 s left" when there is something to tell. */
static void add_rate(const struct report *report, struct strbuf *text, uint64_t elapsed_ms)
{
	if (elapsed_ms < 500 || !report->done)
		return;
	double rate = (double)report->done * 1000 / (double)elapsed_ms;
	if (report->unit == REPORT_BYTES) {
		strbuf_adds(text, ", ");
		add_bytes(text, rate);
		strbuf_adds(text, "/s");
	}
	if (report->total <= report->done)
		return;
	strbuf_adds(text, ", ");
	autofree char *left = text_span((double)(report->total - report->done) / rate);
	strbuf_addf(text, "%s left", left);
}

static void compose_line(const struct report *report, struct strbuf *text)
{
	strbuf_adds(text, report->name);
	if (report->total)
		strbuf_addf(
			text, " %3u %%",
			(unsigned)(report->done >= report->total
					   ? 100
					   : (double)report->done * 100 / (double)report->total));
	if (report->done) {
		strbuf_adds(text, "  ");
		add_amount(report, text, report->done);
		if (report->total) {
			strbuf_adds(text, " of ");
			add_amount(report, text, report->total);
		}
		add_rate(report, text, now_ms(report) - report->begun_ms);
	}
	if (report->item)
		strbuf_addf(text, "  %s", report->item);
}

static void draw(struct report *report, bool at_once)
{
	AUTO(strbuf_release) struct strbuf line = STRBUF_INIT;
	AUTO(strvec_release) struct strvec lines = STRVEC_INIT;
	struct report_options *options = &report->options;
	uint64_t now = now_ms(report);

	if (!options->terminal || options->quiet || !report->name)
		return;
	if (!at_once && now - report->drawn_ms < REDRAW_MS)
		return;
	report->drawn_ms = now;
	compose_line(report, &line);
	strvec_push(&lines, line.text);
	for (size_t i = 0; i < report->table.count; i++)
		strvec_push(&lines, report->table.items[i]);
	if (options->window)
		options->window(&options->columns, &options->rows);
	screen_show(&report->screen, &lines, options->columns, options->rows);
}

/* ---- percent and stage for callers -------------------------------------------------------------- */

static void tell_caller(struct report *report, bool at_once)
{
	double part = report->total ? (double)report->done / (double)report->total : 0;
	int percent = (int)(report->weight_before + report->weight * (part > 1 ? 1 : part));
	uint64_t now = now_ms(report);

	if (report->options.progress_fd < 0)
		return;
	if (percent < report->percent)
		percent = report->percent; /* a total has grown */
	if (!at_once && (percent == report->percent || now - report->told_ms < FD_LINE_MS))
		return;
	report->percent = percent;
	report->told_ms = now;
	AUTO(strbuf_release) struct strbuf line = STRBUF_INIT;
	strbuf_addf(&line, "percent=%d stage=%s\n", percent > 100 ? 100 : percent, report->name);
	if (write_all(report->options.progress_fd, line.text, line.length, "progress", NULL) < 0)
		report->options.progress_fd = -1; /* the caller has gone; the work goes on */
}

/* ---- phases --------------------------------------------------------------------------------------- */

static bool plain_lines(const struct report *report)
{
	return !report->options.terminal && !report->options.json && !report->options.quiet;
}

void report_phase(struct report *report, const char *name, enum report_unit unit, uint64_t total,
		  unsigned weight)
{
	if (!report)
		return;
	report_phase_end(report);
	report->name = xstrdup(name);
	report->unit = unit;
	report->total = total;
	report->done = 0;
	report->weight = weight;
	report->begun_ms = now_ms(report);
	if (plain_lines(report)) {
		fprintf(report->err, "%s…\n", name);
		fflush(report->err);
	}
	draw(report, true);
	tell_caller(report, true);
}

void report_total(struct report *report, uint64_t total)
{
	if (report)
		report->total = total;
}

void report_progress(struct report *report, uint64_t done, const char *item)
{
	if (!report || !report->name)
		return;
	report->done = done;
	if (report->options.terminal) {
		free(report->item);
		report->item = xstrdup_or_null(item);
	}
	draw(report, false);
	tell_caller(report, false);
}

void report_table(struct report *report, const struct strvec *lines)
{
	if (!report || !report->name || !report->options.terminal)
		return;
	strvec_release(&report->table);
	report->table = STRVEC_INIT;
	for (size_t i = 0; i < lines->count; i++)
		strvec_push(&report->table, lines->items[i]);
}

/* It ends, in whatever way. */
static void leave_phase(struct report *report)
{
	free(report->name);
	free(report->item);
	strvec_release(&report->table);
	report->name = report->item = NULL;
	report->table = STRVEC_INIT;
}

static void phase_summary(const struct report *report, uint64_t elapsed_ms, struct strbuf *text)
{
	strbuf_addf(text, "%s: ", report->name);
	uint64_t amount = report->done ?: report->total;
	if (amount) {
		add_amount(report, text, amount);
		strbuf_adds(text, " in ");
	}
	strbuf_addf(text, "%.1f s", (double)elapsed_ms / 1000);
}

void report_phase_end(struct report *report)
{
	if (!report || !report->name)
		return;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	uint64_t elapsed = now_ms(report) - report->begun_ms;

	phase_summary(report, elapsed, &text);
	json_array_append_new(report->timing, json_pack("{s:s s:I}", "phase", report->name, "ms",
							(json_int_t)elapsed));
	report->weight_before += report->weight;
	report->weight = 0;
	tell_caller(report, report->options.progress_fd >= 0);
	screen_clear(&report->screen);
	if (!report->options.quiet && !report->options.json) {
		fprintf(report->err, "%s\n", text.text);
		fflush(report->err);
	}
	leave_phase(report);
}

/* ---- messages -------------------------------------------------------------------------------------- */

static void message(struct report *report, const char *color, const char *label, const char *said)
{
	bool colored = report->options.color && color;
	autofree char *text = text_clean(said);
	screen_clear(&report->screen);
	fprintf(report->err, "%s: %s%s%s%s\n", report->options.program, colored ? color : "", label,
		colored ? "\033[0m" : "", text);
	fflush(report->err);
	draw(report, true);
}

static void plain_message(struct report *report, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void plain_message(struct report *report, const char *format, va_list args)
{
	autofree char *text = xvasprintf(format, args);
	message(report, NULL, "", text);
}

void report_info(struct report *report, const char *format, ...)
{
	if (!report || report->options.quiet || report->options.json)
		return;
	va_list args;
	va_start(args, format);
	plain_message(report, format, args);
	va_end(args);
}

void report_output(struct report *report, const char *line)
{
	screen_clear(&report->screen);
	fprintf(report->out, "%s\n", line);
	fflush(report->out);
}

void report_pass(struct report *report, bool errors, const char *bytes, size_t size)
{
	FILE *file = errors ? report->err : report->out;

	screen_clear(&report->screen);
	fwrite(bytes, 1, size, file);
	fflush(file);
	draw(report, true);
}

void report_detail(struct report *report, const char *format, ...)
{
	if (!report || !report->options.verbose || report->options.json)
		return;
	va_list args;
	va_start(args, format);
	plain_message(report, format, args);
	va_end(args);
}

/* jansson refuses what is not UTF-8. */
static json_t *json_text(const char *text)
{
	autofree char *clean = text ? text_clean(text) : NULL;
	return clean ? json_string(clean) : json_null();
}

void report_warning(struct report *report, const char *subject, const char *format, ...)
{
	if (!report)
		return;
	va_list args;
	va_start(args, format);
	autofree char *text = xvasprintf(format, args);
	va_end(args);

	json_array_append_new(
		report->warnings,
		json_pack("{s:o s:o}", "subject", json_text(subject), "message", json_text(text)));
	if (report->options.json)
		return;
	autofree char *full = subject ? xasprintf("%s: %s", subject, text) : xstrdup(text);
	message(report, "\033[33m", "warning: ", full);
}

void report_error(struct report *report, const struct error *err, int code)
{
	if (!report)
		return;
	leave_phase(report); /* it did not end well: no summary, no further drawing */
	message(report, "\033[31m", "error: ", err->message ?: "unknown error");
	if (err->hint) {
		autofree char *hint = text_clean(err->hint);
		fprintf(report->err, "hint: %s\n", hint);
		fflush(report->err);
	}
	json_array_append_new(report->errors, json_pack("{s:i s:s s:o s:o s:o}", "code", code,
							"kind", error_kind_name(err->kind),
							"subject", json_text(err->subject),
							"message", json_text(err->message ?: ""),
							"hint", json_text(err->hint)));
}

json_t *report_timing(const struct report *report)
{
	return json_deep_copy(report->timing);
}

static json_int_t phase_ms(const json_t *phase)
{
	return json_integer_value(json_object_get(phase, "ms"));
}

void report_timing_print(struct report *report)
{
	json_int_t all = 0;
	size_t count = report ? json_array_size(report->timing) : 0;

	if (!report || report->options.json)
		return;
	screen_clear(&report->screen);
	for (size_t i = 0; i < count; i++)
		all += phase_ms(json_array_get(report->timing, i));
	for (size_t i = 0; i < count; i++) {
		const json_t *phase = json_array_get(report->timing, i);
		fprintf(report->err, "%9.3f s %3.0f %%  %s\n", (double)phase_ms(phase) / 1e3,
			all ? 100.0 * (double)phase_ms(phase) / (double)all : 0.0,
			json_string_value(json_object_get(phase, "phase")));
	}
	fprintf(report->err, "%9.3f s 100 %%  in all\n", (double)all / 1e3);
	fflush(report->err);
}

int report_finish(struct report *report, json_t *result, struct error *err)
{
	report_phase_end(report);
	if (!report->options.json) {
		json_decref(result);
		if (fflush(report->out) == EOF || ferror(report->out))
			return error_errno(err, errno, "writing the result");
		return 0;
	}
	json_t *document = json_pack("{s:i s:o s:o s:O s:O}", "schema", 1, "command",
				     json_text(report->command), "result", result ?: json_null(),
				     "warnings", report->warnings, "errors", report->errors);
	int ret = document ? json_dumpf(document, report->out, JSON_INDENT(2)) : -1;
	if (ret == 0 && (fputc('\n', report->out) == EOF || fflush(report->out) == EOF))
		ret = -1;
	json_decref(document);
	return ret < 0 ? error_errno(err, errno, "writing the JSON document") : 0;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	screen_clear(&report->screen);
	leave_phase(report);
	free(report->command);
	json_decref(report->warnings);
	json_decref(report->errors);
	json_decref(report->timing);
	free(report);
}

void report_freep(struct report **report)
{
	report_free(*report);
	*report = NULL;
}
