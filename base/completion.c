#include "base/completion.h"

#include <string.h>

#include "base/cleanup.h"

/* How a shell gets the words. Those of which there may be several come last: what is before the last comma is put aside for them. */
static const struct source {
	unsigned words;
	const char *command, *function;
} sources[] = {
	{ COMPLETE_TEMPLATES, "vzpkg list -qO 2>/dev/null | cut -d' ' -f1", "_vz_templates" },
	{ COMPLETE_VES, "vzlist -a -H -o ctid,name 2>/dev/null | tr -s ' -' '\\n'", "_vz_ves" },
};

enum { SOURCE_COUNT = sizeof(sources) / sizeof(sources[0]) };

static unsigned argument_words(const struct option_row *row)
{
	const char *argument = row->argument;

	if (strcmp(argument, "FILE") == 0 || strcmp(argument, "DIR") == 0)
		return COMPLETE_FILES;
	if (strcmp(argument, "TEMPLATE") == 0)
		return COMPLETE_TEMPLATES;
	if (strcmp(argument, "TEMPLATE|VE") == 0)
		return COMPLETE_TEMPLATES | COMPLETE_VES;
	if (strncmp(argument, "VE,", 3) == 0)
		return COMPLETE_VES | COMPLETE_SEVERAL;
	return strstr(argument, "CTID") || strcmp(argument, "VE") == 0 ? COMPLETE_VES
								       : COMPLETE_NOTHING;
}

/* The text between single quotes of a shell; `also` is escaped by "\" in it. */
static void add_quoted(struct strbuf *text, const char *word, const char *also)
{
	for (; *word; word++) {
		if (*word == '\'')
			strbuf_adds(text, "'\\'");
		if (strchr(also, *word))
			strbuf_addc(text, '\\');
		strbuf_addc(text, *word);
	}
}

/* ---- bash ---------------------------------------------------------------------------------------------------- */

static void bash_rows(const struct option_row *row, struct strbuf *text)
{
	for (; row && row->name; row++)
		if (row->help)
			strbuf_addf(text, " --%s", row->name);
}

static bool are_several(const struct source *source, unsigned words)
{
	return source->words == COMPLETE_VES && words & COMPLETE_SEVERAL;
}

static void bash_reply(unsigned words, struct strbuf *text)
{
	const char *end = "";

	if (words == COMPLETE_NOTHING) {
		strbuf_adds(text, "COMPREPLY=()");
		return;
	}
	strbuf_adds(text, "mapfile -t COMPREPLY < <(");
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		if (!(words & sources[i].words))
			continue;
		if (are_several(&sources[i], words))
			strbuf_addf(text,
				    "%scompgen -P \"${cur%%\"${cur##*,}\"}\" -W \"$(%s)\" -- "
				    "\"${cur##*,}\"",
				    end, sources[i].command);
		else
			strbuf_addf(text, "%scompgen -W \"$(%s)\" -- \"$cur\"", end,
				    sources[i].command);
		end = "; ";
	}
	if (words & COMPLETE_FILES)
		strbuf_addf(text, "%scompgen -f -- \"$cur\"", end);
	strbuf_adds(text, ")");
}

/* Those that take an argument, as patterns of a case; with `reply`, what completes it. */
static void bash_arguments(const struct option_row *row, bool reply, struct strbuf *text)
{
	for (; row && row->name; row++) {
		if (row->type == OPTION_FLAG || !row->help)
			continue;
		strbuf_addf(text, "\t\t--%s", row->name);
		if (row->letter)
			strbuf_addf(text, " | -%c", row->letter);
		strbuf_adds(text, ") ");
		if (reply)
			bash_reply(argument_words(row), text);
		else
			strbuf_adds(text, "i=$((i + 1))");
		strbuf_adds(text, reply ? "; return ;;\n" : " ;;\n");
	}
}

static void bash(const struct completion *c, struct strbuf *text)
{
	strbuf_addf(text,
		    "# bash completion of %s, made from its option tables\n\n"
		    "_%s() {\n"
		    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
		    "command='' i\n"
		    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		    "\t\tcase ${COMP_WORDS[i]} in\n",
		    c->program, c->program);
	bash_arguments(c->common, false, text);
	strbuf_adds(text, "\t\t-*) ;;\n"
			  "\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
			  "\t\tesac\n\tdone\n"
			  "\tcase $prev in\n");
	bash_arguments(c->common, true, text);
	strbuf_adds(text, "\tesac\n\tlocal options='");
	bash_rows(c->common, text);
	strbuf_adds(text, "'\n\tcase $command in\n");
	for (size_t i = 0; i < c->count; i++) {
		const struct completion_command *command = &c->commands[i];
		strbuf_addf(text, "\t%s)\n\t\toptions+='", command->name);
		bash_rows(command->options, text);
		strbuf_adds(text, "'\n\t\tcase $prev in\n");
		bash_arguments(command->options, true, text);
		strbuf_adds(text, "\t\tesac\n\t\t");
		bash_reply(command->operands, text);
		strbuf_adds(text, "\n\t\t;;\n");
	}
	strbuf_adds(text, "\t*)\n\t\t");
	if (c->count) {
		strbuf_adds(text, "mapfile -t COMPREPLY < <(compgen -W '");
		for (size_t i = 0; i < c->count; i++)
			strbuf_addf(text, "%s%s", i ? " " : "", c->commands[i].name);
		strbuf_adds(text, "' -- \"$cur\")");
	} else {
		bash_reply(c->operands, text);
	}
	strbuf_addf(text,
		    "\n\t\t;;\n\tesac\n"
		    "\t[[ $cur != -* ]] || mapfile -t COMPREPLY < <(compgen -W \"$options\" -- "
		    "\"$cur\")\n"
		    "}\n"
		    "complete -F _%s %s\n",
		    c->program, c->program);
}

/* ---- zsh ----------------------------------------------------------------------------------------------------- */

static void zsh_action(unsigned words, struct strbuf *text)
{
	if (words == COMPLETE_NOTHING) {
		strbuf_adds(text, " ");
		return;
	}
	strbuf_addf(text, "{%s", words & COMPLETE_FILES ? "_files; " : "");
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		if (words & sources[i].words)
			strbuf_addf(text, "%s%s; ",
				    are_several(&sources[i], words) ? "compset -P \"*,\"; " : "",
				    sources[i].function);
	strbuf_adds(text, "}");
}

/* Words of a list, each with `end` after it. */
static void zsh_rows(const struct option_row *row, const char *end, struct strbuf *text)
{
	for (; row && row->name; row++) {
		if (!row->help)
			continue;
		if (row->letter)
			strbuf_addf(text, "\t\t'(-%c --%s)'{-%c,--%s%s}'[", row->letter, row->name,
				    row->letter, row->name, row->type == OPTION_FLAG ? "" : "=");
		else
			strbuf_addf(text, "\t\t'--%s%s[", row->name,
				    row->type == OPTION_FLAG ? "" : "=");
		add_quoted(text, row->help, "[]:\\");
		strbuf_adds(text, "]");
		if (row->type != OPTION_FLAG) {
			strbuf_adds(text, ":");
			add_quoted(text, row->argument, "[]:\\");
			strbuf_adds(text, ":");
			zsh_action(argument_words(row), text);
		}
		strbuf_addf(text, "'%s", end);
	}
}

static void zsh_helpers(struct strbuf *text)
{
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		strbuf_addf(text, "%s() { compadd -- ${(f)\"$(%s)\"} }\n", sources[i].function,
			    sources[i].command);
	strbuf_adds(text, "\n");
}

static void zsh_operands(unsigned words, struct strbuf *text)
{
	strbuf_adds(text, "'*:operand:");
	zsh_action(words, text);
	strbuf_adds(text, "'");
}

static void zsh_commands(const struct completion *c, struct strbuf *text)
{
	strbuf_adds(text, "\tlocal -a commands=(\n");
	for (size_t i = 0; i < c->count; i++) {
		strbuf_addf(text, "\t\t'%s:", c->commands[i].name);
		add_quoted(text, c->commands[i].summary, "\\");
		strbuf_adds(text, "'\n");
	}
	strbuf_adds(text, "\t)\n"
			  "\t_arguments -C $common '1:command:->command' '*:::operand:->operand'\n"
			  "\tcase $state in\n"
			  "\tcommand) _describe command commands ;;\n"
			  "\toperand)\n"
			  "\t\twords=($line[1] \"${words[@]}\")\n"
			  "\t\t((CURRENT += 1))\n"
			  "\t\tcase $line[1] in\n");
	for (size_t i = 0; i < c->count; i++) {
		strbuf_addf(text, "\t\t%s) _arguments $common \\\n", c->commands[i].name);
		zsh_rows(c->commands[i].options, " \\\n", text);
		strbuf_adds(text, "\t\t");
		zsh_operands(c->commands[i].operands, text);
		strbuf_adds(text, " ;;\n");
	}
	strbuf_adds(text, "\t\tesac\n\t\t;;\n\tesac\n");
}

static void zsh(const struct completion *c, struct strbuf *text)
{
	strbuf_addf(text, "#compdef %s\n# made from its option tables\n\n", c->program);
	zsh_helpers(text);
	strbuf_addf(text,
		    "_%s() {\n\tlocal curcontext=$curcontext state line\n\tlocal -a common=(\n",
		    c->program);
	zsh_rows(c->common, "\n", text);
	strbuf_adds(text, "\t)\n");
	if (c->count) {
		zsh_commands(c, text);
	} else {
		strbuf_adds(text, "\t_arguments $common ");
		zsh_operands(c->operands, text);
		strbuf_adds(text, "\n");
	}
	strbuf_addf(text, "}\n\n_%s \"$@\"\n", c->program);
}

/* ---- fish ---------------------------------------------------------------------------------------------------- */

static void fish_words(unsigned words, struct strbuf *text)
{
	const char *begin = " -a '(";

	if (words & COMPLETE_FILES)
		strbuf_adds(text, " -F");
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		if (!(words & sources[i].words))
			continue;
		strbuf_addf(text, "%s%s%s", begin,
			    are_several(&sources[i], words) ? "_vz_several " : "",
			    sources[i].function);
		begin = "; ";
	}
	strbuf_adds(text, *begin == ';' ? ")'" : "");
}

static void fish_helpers(struct strbuf *text)
{
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		strbuf_addf(text, "function %s\n\t%s\nend\n", sources[i].function,
			    sources[i].command);
	strbuf_adds(text,
		    "# what is before the last comma, with each of the words\n"
		    "function _vz_several\n"
		    "\tset -l before (commandline -ct | string replace -r '^-[^=]*=' '' | string "
		    "replace -r '[^,]*$' '')\n"
		    "\tfor word in ($argv)\n"
		    "\t\techo \"$before$word\"\n"
		    "\tend\n"
		    "end\n\n");
}

/* `command` NULL: always. */
static void fish_rows(const char *program, const char *command, const struct option_row *row,
		      struct strbuf *text)
{
	for (; row && row->name; row++) {
		if (!row->help)
			continue;
		strbuf_addf(text, "complete -c %s", program);
		if (command)
			strbuf_addf(text, " -n '__fish_seen_subcommand_from %s'", command);
		if (row->letter)
			strbuf_addf(text, " -s %c", row->letter);
		strbuf_addf(text, " -l %s -d '", row->name);
		add_quoted(text, row->help, "");
		strbuf_adds(text, "'");
		if (row->type != OPTION_FLAG) {
			bool files = argument_words(row) & COMPLETE_FILES;
			strbuf_adds(text, files ? " -r" : " -x");
			fish_words(argument_words(row), text);
		}
		strbuf_adds(text, "\n");
	}
}

static void fish_command(const char *program, const struct completion_command *command,
			 struct strbuf *text)
{
	strbuf_addf(text, "complete -c %s -n __fish_use_subcommand -a %s -d '", program,
		    command->name);
	add_quoted(text, command->summary, "");
	strbuf_adds(text, "'\n");
	if (command->operands != COMPLETE_NOTHING) {
		strbuf_addf(text, "complete -c %s -n '__fish_seen_subcommand_from %s'", program,
			    command->name);
		fish_words(command->operands, text);
		strbuf_adds(text, "\n");
	}
	fish_rows(program, command->name, command->options, text);
}

static void fish(const struct completion *c, struct strbuf *text)
{
	strbuf_addf(text, "# fish completion of %s, made from its option tables\n", c->program);
	fish_helpers(text);
	strbuf_addf(text, "complete -c %s -f", c->program);
	if (!c->count)
		fish_words(c->operands, text);
	strbuf_adds(text, "\n");
	fish_rows(c->program, NULL, c->common, text);
	for (size_t i = 0; i < c->count; i++)
		fish_command(c->program, &c->commands[i], text);
}

/* -------------------------------------------------------------------------------------------------------------- */

int completion_script(const struct completion *completion, const char *shell, struct strbuf *ret,
		      struct error *err)
{
	static const struct {
		const char *shell;
		void (*write)(const struct completion *completion, struct strbuf *text);
	} writers[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

	for (size_t i = 0; i < sizeof(writers) / sizeof(*writers); i++)
		if (strcmp(writers[i].shell, shell) == 0) {
			writers[i].write(completion, ret);
			return 0;
		}
	error_set(err, ERROR_USAGE, "there is no completion for \"%s\"", shell);
	return error_hint(err, "bash, zsh and fish have one");
}
