#include "vzpkg/cmd/finding.h"

void finding_add(bool is_error, const char *file, unsigned line, const char *what,
		 struct strbuf *text, json_t *json)
{
	const char *level = is_error ? "error" : "warning";

	if (line)
		strbuf_addf(text, "%s:%u: ", file, line);
	else
		strbuf_addf(text, "%s: ", file);
	strbuf_addf(text, "%s: %s\n", level, what);
	json_array_append_new(json, json_pack("{s:s s:s s:I s:s}", "level", level, "file", file,
					      "line", (json_int_t)line, "text", what));
}
