#!/usr/bin/env bash
#
# The whole way through the service with nothing but bash, curl and openssl (3.0 or newer): from the open list, over a
# firm's registration, application and signed agreement, to a grant that is read and then revoked.
#
#   QINGDAN_OPERATOR_PASSWORD='…' examples/walkthrough.sh
#
#   QINGDAN_URL                    where the service is; http://127.0.0.1:8080 by default
#   QINGDAN_OPERATOR_PASSWORD      the password of `operator`: the chosen one, or the one-time password of the first start
#   QINGDAN_OPERATOR_NEW_PASSWORD  what a one-time password is changed to; by default one is made and printed once
#
# Give it a server for trials: every run leaves a made-up firm and a reviewer behind. It can be run as often as you like.
# It ends with 0 when every answer was the expected one, and otherwise stops at the first that was not.

set -euo pipefail
umask 077

base=${QINGDAN_URL:-http://127.0.0.1:8080}
base=${base%/}
# 31 characters: those of a 统一社会信用代码. I, O, S, V and Z are not among them.
alphabet=0123456789ABCDEFGHJKLMNPQRTUWXY
open_dataset=xuhui-residents-committees
dataset=community-health-visits
fields=(resident_id sex birth_date subdistrict_code visit_date diagnosis_group cost_cny)
step_number=0
status=000

# Keys, tokens and answers live here and nowhere else.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Nobody in particular: no header.
: >"$work/anonymous"

# --- What is printed -------------------------------------------------------------------------------------------------

step() {
  step_number=$((step_number + 1))
  printf '\n%d. %s\n' "$step_number" "$1"
}

say() {
  printf '   %s\n' "$*"
}

# Standard input, set in.
show() {
  sed 's/^/   /'
}

die() {
  printf '\nwalkthrough: %s\n' "$1" >&2
  exit 1
}

# --- Requests --------------------------------------------------------------------------------------------------------

# send ACTOR METHOD PATH [curl options]: leaves the status in $status, and headers and body in the private folder.
# The actor is the name of a file with the Authorization header, so that no token is ever an argument of a program.
send() {
  local actor=$1 method=$2 path=$3
  shift 3
  # An answer without a body would leave the one before in its place.
  : >"$work/body"
  status=$(curl --silent --show-error --globoff --max-time 300 --request "$method" --header "@$work/$actor" \
    --dump-header "$work/headers" --output "$work/body" --write-out '%{http_code}' "$@" "$base$path") ||
    die "$method $base$path could not be sent; does the service run there? (QINGDAN_URL)"
}

# call WANTED_STATUS ACTOR METHOD PATH [curl options]: a request that must be answered with that status.
call() {
  local wanted=$1
  shift
  send "$@"
  if [[ $status == 429 ]]; then
    wait_for_limit
    send "$@"
  fi
  [[ $status == "$wanted" ]] || unexpected "$wanted" "$2" "$3"
}

# call_json: the same with the JSON of standard input as the body.
call_json() {
  cat >"$work/request"
  call "$@" --header 'Content-Type: application/json' --data-binary "@$work/request"
}

# Log-ins, registrations and token requests are limited to so many a minute for each address.
wait_for_limit() {
  local seconds
  seconds=$(tr -d '\r' <"$work/headers" | sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9][0-9]*\)$/\1/p')
  say "(429: the limit is reached; waiting ${seconds:=1} s as the server asks)"
  sleep "$seconds"
}

unexpected() {
  # A body that comes with a success may hold a token or a password; a problem holds neither.
  if [[ $status == [45]* ]]; then
    cat "$work/body" >&2
  fi
  die "$2 $3 answered $status; $1 was expected"
}

# json KEY: the first text of that key in the answer, still escaped.
json() {
  grep -oE "\"$1\":\"([^\"\\\\]|\\\\.)*\"" "$work/body" | sed -n '1 { s/^"[^"]*":"//; s/"$//; p; }' ||
    die "the answer has no text \`$1\`"
}

# number KEY: the first number of that key in the answer.
number() {
  grep -oE "\"$1\":-?[0-9]+" "$work/body" | sed -n '1 s/.*://p' || die "the answer has no number \`$1\`"
}

# table KEY…: the values of these keys, a line for each item of the list.
table() {
  local keys columns
  keys=$(IFS='|' && printf '%s' "$*")
  columns=$(printf -- '- %.0s' "$@")
  # The columns are several arguments: one `-` for each key.
  # shellcheck disable=SC2086
  grep -oE "\"($keys)\":(\"[^\"]*\"|[0-9]+)" "$work/body" | sed 's/^"[^"]*"://; s/^"//; s/"$//' | paste $columns
}

# The rows of a page of rows, a line for each.
rows() {
  grep -oE '"rows":\[.*\]' "$work/body" | grep -oE '\{[^{}]*\}'
}

# The status of a refusal and what it says.
show_refusal() {
  say "$status: $(json "${1:-detail}")"
}

# A text inside JSON.
quoted() {
  local text=${1//\\/\\\\}
  printf '%s' "${text//\"/\\\"}"
}

# keep_token ACTOR KEY: the answer's token becomes the Authorization header of that actor.
keep_token() {
  local token
  token=$(json "$2")
  printf 'Authorization: Bearer %s\n' "$token" >"$work/$1"
}

# --- People ----------------------------------------------------------------------------------------------------------

new_password() {
  openssl rand -hex 18
}

login() {
  local actor=$1 username=$2 password=$3
  call_json 201 anonymous POST /api/v1/sessions <<JSON
{"username": "$username", "password": "$(quoted "$password")"}
JSON
  keep_token "$actor" token
}

has_one_time_password() {
  grep -q '"one_time_password":true' "$work/body"
}

change_password() {
  local actor=$1 current=$2 new=$3
  call_json 204 "$actor" PUT /api/v1/people/me/password <<JSON
{"current": "$(quoted "$current")", "new": "$(quoted "$new")"}
JSON
}

replace_one_time_password() {
  local new=${QINGDAN_OPERATOR_NEW_PASSWORD:-}
  if [[ -n $new ]]; then
    say 'This is a one-time password. It is changed to the one of QINGDAN_OPERATOR_NEW_PASSWORD.'
  else
    # Printed before it is set: nobody else would know it if this run broke off in between.
    new=$(new_password)
    say "This is a one-time password. It is changed to the following, which is printed this once: $new"
  fi
  change_password operator "$QINGDAN_OPERATOR_PASSWORD" "$new"
  say 'The password is changed. The next run takes it as QINGDAN_OPERATOR_PASSWORD.'
}

# --- A made-up 统一社会信用代码 ---------------------------------------------------------------------------------------

# position ALPHABET CHARACTER: from 0.
position() {
  local before=${1%%"$2"*}
  printf '%d' "${#before}"
}

# Characters 9 to 17 (GB 11714-1997): eight, here random ones after MA, and their check character.
organisation_code() {
  local code=MA random value i sum=0 weights=(3 7 9 10 5 8 4 2) checks=0123456789X0
  random=$(openssl rand -hex 6)
  for ((i = 0; i < 6; i++)); do
    code+=${alphabet:$((16#${random:i*2:2} % 31)):1}
  done
  for ((i = 0; i < 8; i++)); do
    # Letters count from A = 10 without a gap here.
    value=$(position 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ "${code:i:1}")
    sum=$((sum + value * weights[i]))
  done
  printf '%s%s' "$code" "${checks:$((11 - sum % 11)):1}"
}

# The whole code (GB 32100-2015). Region 310199 is assigned to no district: the code can belong to nobody.
made_up_uscc() {
  local code value i sum=0 weight=1
  code=91310199$(organisation_code)
  for ((i = 0; i < 17; i++)); do
    value=$(position "$alphabet" "${code:i:1}")
    sum=$((sum + value * weight))
    weight=$((weight * 3 % 31))
  done
  printf '%s%s' "$code" "${alphabet:$(((31 - sum % 31) % 31)):1}"
}

# --- Signatures ------------------------------------------------------------------------------------------------------

base64url() {
  openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# sign TEXT: the firm's signature.
sign() {
  # Ed25519 needs the whole message at once: openssl reads it from a file and not from a pipe.
  printf '%s' "$1" >"$work/message"
  openssl pkeyutl -sign -rawin -inkey "$work/firm.pem" -in "$work/message" | base64url
}

# The public half of the firm's key: the last 32 bytes of its DER.
public_x() {
  openssl pkey -in "$work/firm.pem" -pubout -outform DER | tail -c 32 | base64url
}

# A JWT with which the client proves itself (RFC 7523); for one request only.
make_assertion() {
  local header claims signature now
  now=$(date +%s)
  header=$(printf '{"alg":"EdDSA","typ":"JWT"}' | base64url)
  claims=$(printf '{"iss":"%s","sub":"%s","aud":"%s","jti":"%s","iat":%d,"exp":%d}' \
    "$client" "$client" "$issuer" "$(openssl rand -hex 16)" "$now" "$((now + 300))" | base64url)
  signature=$(sign "$header.$claims")
  printf '%s.%s.%s' "$header" "$claims" "$signature" >"$work/assertion"
}

# detached_jws PAYLOAD (RFC 7515, appendix F): the payload is signed and left out.
detached_jws() {
  local header payload signature
  header=$(printf '{"alg":"EdDSA"}' | base64url)
  payload=$(printf '%s' "$1" | base64url)
  signature=$(sign "$header.$payload")
  printf '%s..%s' "$header" "$signature"
}

# ask_for_token WANTED_STATUS [curl options]
ask_for_token() {
  local wanted=$1
  shift
  call "$wanted" anonymous POST /oauth2/token --data grant_type=client_credentials \
    --data-urlencode client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
    --data-urlencode "client_assertion@$work/assertion" "$@"
}

# --- The release -----------------------------------------------------------------------------------------------------

# must_not_have WHAT PATTERN EXAMPLE: stops when the release has it.
must_not_have() {
  local what=$1 pattern=$2 example=$3 found=0
  # A pattern that finds nothing anywhere would prove nothing.
  printf '%s\n' "$example" | LC_ALL=C grep -qE "$pattern" || die "the check for $what does not work"
  LC_ALL=C grep -qE "$pattern" "$work/release.csv" || found=$?
  [[ $found == 1 ]] || die "THE RELEASE HAS $what"
  say "no $what"
}

check_release() {
  local header wanted edge='[^0-9A-Za-z]'
  wanted=$(IFS=, && printf '%s' "${fields[*]}")
  header=$(sed -n '1 { s/\r$//; p; }' "$work/release.csv")
  [[ $header == "$wanted" ]] || die "THE RELEASE HAS THE COLUMNS $header; $wanted were granted"
  say 'only the columns that were granted'
  # With edges, so that digits in the middle of a pseudonym are not taken for a number.
  must_not_have 'column resident_name or mobile' '(resident_name|mobile)' 'sex,mobile,cost_cny'
  must_not_have 'resident ID' "(^|$edge)310199[0-9]{11}[0-9X]($edge|\$)" 'x,310199200001010000,y'
  must_not_have 'mobile number' "(^|$edge)100[0-9]{8}($edge|\$)" 'x,10000000000,y'
  must_not_have 'name of a resident' '合成居民' '合成居民00000'
}

# Place, kind and subject of every entry, into a file. The list begins with the oldest and is read to its end.
read_ledger() {
  local page=(--data limit=1000)
  : >"$work/ledger"
  while true; do
    call 200 operator GET /api/v1/ledger/entries --get "${page[@]}"
    table seq kind subject >>"$work/ledger"
    grep -q '"next_cursor":"' "$work/body" || break
    page=(--data limit=1000 --data-urlencode "cursor=$(json next_cursor)")
  done
}

# --- The steps -------------------------------------------------------------------------------------------------------

check_tools() {
  local tool help
  for tool in curl openssl; do
    command -v "$tool" >/dev/null || die "$tool is needed"
  done
  help=$(openssl pkeyutl -help 2>&1 || true)
  [[ $help == *-rawin* ]] || die 'openssl 3.0 or newer is needed: this one cannot sign with Ed25519'
  [[ -n ${QINGDAN_OPERATOR_PASSWORD:-} ]] || die 'set QINGDAN_OPERATOR_PASSWORD to the password of the operator'
}

list_datasets() {
  step 'Everybody sees the open list (开放清单)'
  call 200 anonymous GET /api/v1/datasets
  say "$(number total) datasets:"
  table slug zh open_type | show
}

read_open_dataset() {
  step 'Everybody reads unconditionally open data (无条件开放)'
  call 200 anonymous GET "/api/v1/datasets/$open_dataset/download?format=csv"
  say "$open_dataset as CSV, $(wc -c <"$work/body" | tr -d ' ') bytes, begins with:"
  sed -n '1,3p' "$work/body" | show
  call 200 anonymous GET "/api/v1/datasets/$open_dataset/rows" --get --data limit=3 --data select=code,name \
    --data-urlencode "where=subdistrict_code = '310104003'"
  say "$(number total) rows where subdistrict_code = '310104003', of which the first three:"
  rows | show
  say "Conditionally open data (有条件开放), $dataset, without a token:"
  call 401 anonymous GET "/api/v1/datasets/$dataset/download?format=csv"
  show_refusal
}

log_operator_in() {
  step 'Operator logs in (运营人员登录)'
  login operator operator "$QINGDAN_OPERATOR_PASSWORD"
  say "logged in until $(json expires_at)"
  if has_one_time_password; then
    replace_one_time_password
  fi
}

register_firm() {
  local uscc username password
  step 'Firm registers (企业注册)'
  uscc=$(made_up_uscc)
  username=walkthrough-firm-$run
  password=$(new_password)
  call_json 201 anonymous POST /api/v1/firms <<JSON
{
  "name": "演示智能科技有限公司（虚构）",
  "uscc": "$uscc",
  "contact": {"name": "演示联系人（虚构）", "email": "contact@example.org"},
  "account": {"username": "$username", "password": "$password"}
}
JSON
  say "$(json name), 统一社会信用代码 $(json uscc): both are made up"
  login firm "$username" "$password"
  call 200 firm GET /api/v1/firms/me
  firm=$(json id)
  say "its person is logged in; the firm $firm is $(json status)"
}

approve_firm() {
  step 'Operator approves the firm (核准企业)'
  call_json 200 operator POST "/api/v1/admin/firms/$firm/decision" <<JSON
{"approve": true, "reason": "A made-up firm of the walkthrough."}
JSON
  say "the firm is $(json status)"
}

register_client() {
  step 'Firm makes a key and registers a client (登记客户端公钥)'
  openssl genpkey -algorithm ed25519 -out "$work/firm.pem"
  call_json 201 firm POST /api/v1/firms/me/clients <<JSON
{"name": "walkthrough", "public_jwk": {"kty": "OKP", "crv": "Ed25519", "x": "$(public_x)"}}
JSON
  client=$(json id)
  say "client_id $client proves itself by $(json method); the private key never leaves the firm"
}

take_token() {
  step 'Client takes a token (获取访问令牌)'
  call 200 anonymous GET /.well-known/oauth-authorization-server
  issuer=$(json issuer)
  make_assertion
  ask_for_token 200
  keep_token client access_token
  say "a $(json token_type) token of $issuer for $(number expires_in) s"
  say 'The same assertion once more (重放):'
  ask_for_token 401
  [[ $(json error) == invalid_client ]] || die "the replay was refused with $(json error); invalid_client was expected"
  show_refusal error_description
}

apply() {
  local list
  step 'Firm applies for the dataset (申请有条件开放数据)'
  list=$(printf '"%s",' "${fields[@]}")
  call_json 201 client POST /api/v1/applications <<JSON
{
  "dataset": "$dataset",
  "purpose": "按年龄段和诊断大类训练社区就诊量预测模型。To train a model that forecasts visits by age and group of diagnosis.",
  "purposes": ["analytics", "evaluation"],
  "fields": [${list%,}],
  "modes": ["download", "api"],
  "term_days": 90,
  "safeguards_met": ["encryption_at_rest", "encryption_in_transit", "access_log", "least_privilege", "isolated_environment", "named_officer"],
  "safeguards": "隔离环境，静态和传输加密，最小权限，访问留痕。An isolated environment, encryption, least privilege, logs of every access."
}
JSON
  application=$(json id)
  say "application $application for $(json dataset), $(number term_days) days, is $(json status)"
}

review() {
  local username one_time new
  step 'Reviewer decides (审核人员审批)'
  username=walkthrough-reviewer-$run
  call_json 201 operator POST /api/v1/admin/people <<JSON
{"username": "$username", "display_name": "演示审核员（虚构）", "roles": ["reviewer"]}
JSON
  one_time=$(json one_time_password)
  say "the operator has added $username, who logs in with a one-time password"
  login reviewer "$username" "$one_time"
  say 'A decision before that password is changed:'
  decide 403
  show_refusal
  new=$(new_password)
  change_password reviewer "$one_time" "$new"
  say 'The password is changed. What an approval would release, on the real rows:'
  call_json 201 reviewer POST "/api/v1/applications/$application/reports" <<<'{}'
  report=$(json sha256)
  say "$(number released) of $(number in_version) rows: $(number left_out) are left out as a fingerprint, $(number suppressed) are in small groups"
  say "the smallest group has $(number smallest) residents in the records as they are; in the release there are 5 or more"
  say 'The decision again, which names that report:'
  decide 200
  call 200 firm GET "/api/v1/applications/$application"
  agreement=$(json agreement_id)
  say "the application is $(json status), and agreement $agreement is drawn up"
}

decide() {
  call_json "$1" reviewer POST "/api/v1/applications/$application/decision" <<JSON
{"approve": true, "reason": "用途明确，安全措施适当。The purpose is definite and the safeguards fit.", "report_sha256": "${report:-}"}
JSON
}

sign_agreement() {
  local text sha256 own
  step 'Firm signs the agreement (签署数据利用协议)'
  call 200 firm GET "/api/v1/agreements/$agreement"
  sha256=$(json sha256)
  text=$(json text)
  # JSON's escapes are a part of those that %b knows.
  printf '%b' "$text" >"$work/agreement.txt"
  sed -n '1,9p' "$work/agreement.txt" | show
  say '…'
  own=$(openssl dgst -sha256 -r "$work/agreement.txt" | cut -d ' ' -f 1)
  [[ $own == "$sha256" ]] || die "the text's SHA-256 is $own; the agreement says $sha256"
  say "the text's SHA-256 is as the agreement says: $sha256"
  call_json 200 firm POST "/api/v1/agreements/$agreement/signature" <<JSON
{"client_id": "$client", "signature": "$(detached_jws "$sha256")"}
JSON
  grant=$(json grant_id)
  say "signed; grant $grant lasts until $(json expires_at)"
}

take_grant_token() {
  step 'Client takes a token for the grant (获取授权令牌)'
  make_assertion
  ask_for_token 200 --data-urlencode "authorization_details=[{\"type\":\"qingdan_grant\",\"grant\":\"$grant\"}]"
  keep_token grant access_token
  say "a token for $(number expires_in) s that reads $(json dataset) under this grant alone"
}

read_release() {
  step 'Firm reads the release made for the grant (按授权提供数据)'
  call 200 grant GET "/api/v1/datasets/$dataset/download?format=csv"
  mv "$work/body" "$work/release.csv"
  say "as CSV, $(($(wc -l <"$work/release.csv") - 1)) rows, the first three:"
  sed -n '1,4p' "$work/release.csv" | show
  call 200 grant GET "/api/v1/datasets/$dataset/rows" --get --data limit=3 \
    --data-urlencode "where=birth_date IN ('1950-1954', '1955-1959')"
  say "$(number total) rows of people born in the 1950s (of birth_date a band of years is left), the first three:"
  rows | show
  say 'What the release must not have (去标识化检查):'
  check_release
}

revoke_grant() {
  step 'Operator revokes the grant (撤销授权)'
  call_json 200 operator POST "/api/v1/grants/$grant/revocation" <<JSON
{"reason": "The walkthrough ends here."}
JSON
  say "the grant is $(json status)"
  say 'The same token, which has not expired, once more:'
  call 403 grant GET "/api/v1/datasets/$dataset/download?format=csv"
  show_refusal
}

show_ledger() {
  step 'The ledger has kept it (存证台账)'
  read_ledger
  tail -n 12 "$work/ledger" | show
  grep -qF "grant.revoked"$'\t'"grant:$grant" "$work/ledger" || die 'the revocation is not in the ledger'
}

check_tools
run=$(openssl rand -hex 5)
list_datasets
read_open_dataset
log_operator_in
register_firm
approve_firm
register_client
take_token
apply
review
sign_agreement
take_grant_token
read_release
revoke_grant
show_ledger
printf '\nDone.\n'
