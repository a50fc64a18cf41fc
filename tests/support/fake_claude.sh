#!/bin/sh
# A Claude Code CLI without a model, for the tests of `claude_sdk`: it speaks as much of the stream-json protocol as
# they need, writes down what it was started with and told (in $FAKE_HOME), and does as a word of the user orders.
here=${FAKE_HOME:?}

# Slow to say who it is, behind a wrapper that leaves something behind.
case "$1" in
  --version | auth)
    printf '%s\n' "$1" >>"$here/asked"
    pwd >"$here/asked_in"
    if [ -e "$here/strays" ]; then
      setsid sleep 600 >/dev/null &
      echo $! >>"$here/children"
    fi
    if [ -e "$here/hangs" ]; then
      sleep 600 &
      echo $! >>"$here/children"
      wait
    fi
    while [ -e "$here/slow" ]; do sleep 0.05; done ;;
esac
case "$1" in
  --version) echo '9.9.9 (Claude Code)'; exit 0 ;;
  auth) if [ -e "$here/logged_out" ]; then echo '{"loggedIn": false}'; else echo '{"loggedIn": true}'; fi; exit 0 ;;
esac

printf '%s %s\n' "$$" "$*" >>"$here/started"
env >"$here/environment"
pwd >"$here/folder"
ls -A >>"$here/folder"
# Two that would outlive it: one in its process group, one in a session of its own.
if [ -e "$here/with_children" ]; then
  sleep 600 &
  echo $! >>"$here/children"
  setsid sleep 600 &
  echo $! >>"$here/children"
fi

say() { printf '%s\n' "$1"; }
event() { say '{"type":"stream_event","session_id":"s-fake","parent_tool_use_id":null,"event":'"$1"'}'; }
begin() {
  event '{"type":"message_start","message":{"id":"msg_fake","type":"message","role":"assistant","model":"fake","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":1}}}'
}
words() {
  event '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
  event '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'"$1"'"}}'
  event '{"type":"content_block_stop","index":0}'
}
call() {
  event '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"'"$1"'","name":"'"$2"'","input":{}}}'
  event '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"command\":\"touch x\"}"}}'
  event '{"type":"content_block_stop","index":0}'
}
end() {
  event '{"type":"message_delta","delta":{"stop_reason":"'"$1"'","stop_sequence":null},"usage":{"output_tokens":7}}'
  event '{"type":"message_stop"}'
}
result() { say '{"is_error":false,"type":"result","subtype":"success","result":"","total_cost_usd":0.25}'; }
failed() { say '{"is_error":true,"type":"result","subtype":"success","api_error_status":'"$1"',"result":"'"$2"'"}'; }
ask() { say '{"type":"control_request","request_id":"'"$1"'","request":'"$2"'}'; }

turn() {
  say '{"type":"system","subtype":"init","session_id":"s-fake"}'
  case "$1" in
    *CRASH_FIRST*) if [ -e "$here/crashed" ]; then begin; words again; end end_turn; result; else : >"$here/crashed"; exit 3; fi ;;
    *CRASH_ALWAYS*) exit 3 ;;
    *CRASH*) begin; words half; exit 3 ;;
    *GARBAGE*) i=0; while [ $i -lt 150 ]; do say 'no protocol at all'; i=$((i + 1)); done; sleep 600 ;;
    *NOISE*) say 'a wrapper greets'; say ''; say '{"type":"brand_new"}'; begin; words hello; end end_turn; result ;;
    *HANG*) begin; words begun ;;
    *HALF_TOOL*)
      begin
      event '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_half","name":"mcp__client__look","input":{}}}'
      event '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"comm"}}' ;;
    *SILENT*) ;;
    *LOGGED_OUT*) failed null 'Not logged in · Please run /login' ;;
    *LIMITED*) failed 429 'API Error: 429 slow down' ;;
    *OWN_TOOL*)
      begin; call toolu_own Bash; end tool_use
      ask hook '{"subtype":"hook_callback","callback_id":"pre_tool_use","input":{"tool_name":"Bash","tool_input":{"command":"touch x"},"tool_use_id":"toolu_own"}}' ;;
    *CLIENT_TOOL*)
      begin; call toolu_client mcp__client__look; end tool_use
      ask call '{"subtype":"mcp_message","server_name":"client","message":{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"look","arguments":{},"_meta":{"claudecode/toolUseId":"toolu_client"}}}}' ;;
    *) begin; words hello; end end_turn; result ;;
  esac
}

# After the CLI's own tool: what came of it is told in words.
after() {
  say '{"type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_own","content":"'"$1"'"}]},"parent_tool_use_id":null}'
  begin; words "$1"; end end_turn; result
}

while IFS= read -r line; do
  printf '%s\n' "$line" >>"$here/said"
  case "$line" in
    *'"subtype":"initialize"'*)
      [ -e "$here/never_ready" ] && continue
      say '{"type":"control_response","response":{"subtype":"success","request_id":"setup","response":{"models":[{"value":"fake-1","displayName":"Fake"}]}}}' ;;
    *'"subtype":"set_max_thinking_tokens"'*)
      say '{"type":"control_response","response":{"subtype":"success","request_id":"thinking"}}' ;;
    *'"subtype":"interrupt"'*)
      say '{"type":"control_response","response":{"subtype":"success","request_id":"stop","response":{}}}'
      say '{"type":"result","subtype":"error_during_execution","is_error":true}' ;;
    *'"permissionDecision":"allow"'*'touch y'* | *'touch y'*'"permissionDecision":"allow"'*) after edited ;;
    *'"permissionDecision":"allow"'*) after ran ;;
    *'"permissionDecision":"deny"'*) after denied ;;
    *'"mcp_response"'*) begin; words 'told by the tool'; end end_turn; result ;;
    *'"shouldQuery":false'*) say '{"type":"result","subtype":"success","is_error":false,"num_turns":0,"total_cost_usd":0}' ;;
    *'"type":"user"'*) turn "$line" ;;
  esac
done
