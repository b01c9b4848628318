#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/cmd/command.h"
#include "runtime/config/ctid.h"
#include "runtime/doctor/doctor.h"

enum { VES_LEAST = 100 };

static unsigned ves;

static const struct option_row options[] = {
	{ "ves", 0, OPTION_NUMBER, &ves, "N",
	  "for so many VEs (default: those that there are, and 100 at least)" },
	{ NULL },
};

static void print_line(const struct doctor_line *line, struct strbuf *text)
{
	strbuf_addf(text, "%-4s  %s: %s\n", doctor_level_name(line->level), line->name,
		    line->found);
	if (line->means)
		strbuf_addf(text, "      %s\n", line->means);
	if (line->advice)
		strbuf_addf(text, "      -> %s\n", line->advice);
}

static json_t *line_json(const struct doctor_line *line)
{
	return json_pack("{s:s s:s s:s s:s? s:s?}", "level", doctor_level_name(line->level), "name",
			 line->name, "found", line->found, "means", line->means, "advice",
			 line->advice);
}

static int judge(const struct doctor *doctor, struct error *err)
{
	size_t failed = 0;
	for (size_t i = 0; i < doctor->count; i++)
		failed += doctor->lines[i].level == DOCTOR_FAIL;
	if (!failed)
		return 0;
	error_set(err, ERROR_TECHNOLOGY, "VEs cannot run here: %zu thing%s", failed,
		  failed == 1 ? " is missing" : "s are missing");
	return error_hint(err, "the lines above that begin with \"fail\" say what to do");
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	autofree unsigned *ctids = NULL;
	size_t count = 0;
	AUTO(doctor_release)
	struct doctor doctor = { .host = &vzctl->host, .root = "", .ves = ves };
	(void)ctid;
	(void)operands;
	if (!ves && ctid_list(&vzctl->host, &ctids, &count, err) < 0)
		return -1;
	if (!ves)
		doctor.ves = count > VES_LEAST ? (unsigned)count : VES_LEAST;
	doctor_kernel(&doctor);
	doctor_ids(&doctor);
	doctor_limits(&doctor);
	doctor_network(&doctor);
	doctor_storage(&doctor);
	json_t *lines = json_array();
	for (size_t i = 0; i < doctor.count; i++) {
		print_line(&doctor.lines[i], &ret->text);
		json_array_append_new(lines, line_json(&doctor.lines[i]));
	}
	ret->json = json_pack("{s:i s:o}", "ves", (int)doctor.ves, "checks", lines);
	return judge(&doctor, err);
}

const struct command command_doctor = {
	.name = "doctor",
	.operands = "",
	.summary = "Says what of this host limits its VEs, and what to do about it",
	.options = options,
	.flags = COMMAND_NO_CTID,
	.run = run,
};
