#include <inttypes.h>

#include "base/cleanup.h"
#include "runtime/cmd/command.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_traffic.h"

/* The columns of OpenVZ's vznetstat, less its classes of networks. */
static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	struct traffic traffic;
	(void)operands;
	if (ve_config_load(&vzctl->host, ctid, &config, err) < 0 ||
	    ve_state_load(&vzctl->host, ctid, &state, err) < 0 ||
	    ve_traffic_read(&vzctl->host, ctid, &state, &traffic, err) < 0)
		return -1;
	strbuf_addf(&ret->text, "%10s %20s %20s %20s %20s\n", "CTID", "Input(bytes)", "Input(pkts)",
		    "Output(bytes)", "Output(pkts)");
	strbuf_addf(&ret->text, "%10u %20" PRIu64 " %20" PRIu64 " %20" PRIu64 " %20" PRIu64 "\n",
		    ctid, traffic.in_bytes, traffic.in_packets, traffic.out_bytes,
		    traffic.out_packets);
	ret->json = json_pack("{s:i s:I s:I s:I s:I}", "ctid", (int)ctid, "in_bytes",
			      (json_int_t)traffic.in_bytes, "in_packets",
			      (json_int_t)traffic.in_packets, "out_bytes",
			      (json_int_t)traffic.out_bytes, "out_packets",
			      (json_int_t)traffic.out_packets);
	return 0;
}

const struct command command_netstat = {
	.name = "netstat",
	.operands = "",
	.summary = "Prints what a VE has sent and was sent since the host was booted",
	.flags = COMMAND_ANYBODY,
	.run = run,
};
