#include "runtime/cmd/command.h"
#include "runtime/life/life.h"

static const char *layout;

static const struct option_row options[] = {
	{ "layout", 0, OPTION_STRING, &layout, "LAYOUT",
	  "overlay (shares the template's files) or simfs (has a copy)" },
	{ NULL },
};

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (!layout)
		return error_set(err, ERROR_USAGE, "convert needs --layout LAYOUT");
	if (life_convert(&life, layout, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u has the layout %s", ctid, layout);
	ret->json = json_pack("{s:i, s:s}", "ctid", (int)ctid, "layout", layout);
	return 0;
}

const struct command command_convert = {
	.name = "convert",
	.operands = "",
	.summary = "Brings the files of a stopped VE into another layout",
	.options = options,
	.run = run,
};
