package fault

import (
	"maps"
	"slices"
)

// Code names one fault for ever. It is part of the API.
type Code string

// Entry is what the register knows about a code. docs/errors.md is generated
// from it.
type Entry struct {
	Kind   Kind
	Title  string
	Remedy string
}

// The codes. Each is registered below.
const (
	InternalError          Code = "internal_error"
	InvalidInput           Code = "invalid_input"
	MalformedBody          Code = "malformed_body"
	UnknownField           Code = "unknown_field"
	DuplicateKey           Code = "duplicate_key"
	UnknownParameter       Code = "unknown_parameter"
	InvalidParameter       Code = "invalid_parameter"
	InvalidHeader          Code = "invalid_header"
	UnsupportedMediaType   Code = "unsupported_media_type"
	RangeNotSatisfiable    Code = "range_not_satisfiable"
	WrongIDType            Code = "wrong_id_type"
	BodyTooLarge           Code = "body_too_large"
	NotFound               Code = "not_found"
	VersionNotFound        Code = "version_not_found"
	MethodNotAllowed       Code = "method_not_allowed"
	UpgradeRequired        Code = "upgrade_required"
	Unauthorized           Code = "unauthorized"
	ForbiddenScope         Code = "forbidden"
	SetupCodeInvalid       Code = "setup_code_invalid"
	AlreadySetUp           Code = "already_set_up"
	LastAdmin              Code = "last_admin"
	OIDCUnavailable        Code = "oidc_unavailable"
	OIDCLoginExpired       Code = "oidc_login_expired"
	OIDCRefused            Code = "oidc_refused"
	OIDCTokenInvalid       Code = "oidc_token_invalid"
	OIDCNotAllowed         Code = "oidc_not_allowed"
	OIDCNameUnusable       Code = "oidc_name_unusable"
	OIDCNameTaken          Code = "oidc_name_taken"
	HostNotAllowed         Code = "host_not_allowed"
	CrossOrigin            Code = "cross_origin"
	Conflict               Code = "conflict"
	NoActiveVersion        Code = "no_active_version"
	RollbackLoop           Code = "rollback_loop"
	WorkflowArchived       Code = "workflow_archived"
	WorkflowInUse          Code = "workflow_in_use"
	TooManyTags            Code = "too_many_tags"
	WorkflowInvalid        Code = "workflow_invalid"
	RunningNotPossible     Code = "running_not_possible"
	NothingToRetry         Code = "nothing_to_retry"
	UnknownNode            Code = "unknown_node"
	VersionNotPossible     Code = "version_not_possible"
	AlreadyFinished        Code = "already_finished"
	ApprovalClosed         Code = "approval_closed"
	ApprovalDelegated      Code = "approval_delegated"
	DelegateNotPossible    Code = "delegate_not_possible"
	ApprovalContentChanged Code = "approval_content_changed"
	SelfApproval           Code = "self_approval"
	AlreadyDecided         Code = "already_decided"
	ReRequestsExhausted    Code = "re_requests_exhausted"
	NotFinished            Code = "not_finished"
	NameTaken              Code = "name_taken"
	StaleLease             Code = "stale_lease"
	VersionMismatch        Code = "version_mismatch"
	IdempotencyMismatch    Code = "idempotency_mismatch"
	IdempotencyInFlight    Code = "idempotency_in_flight"
	CronInvalid            Code = "cron_invalid"
	TriggerInvalid         Code = "trigger_invalid"
	ZoneUnknown            Code = "zone_unknown"
	NeverFires             Code = "never_fires"
	JobTypeUnknown         Code = "job_type_unknown"
	JobTypeDisabled        Code = "job_type_disabled"
	CommandNotAllowed      Code = "command_not_allowed"
	TargetNotAllowed       Code = "target_not_allowed"
	TargetUnreachable      Code = "target_unreachable"
	TargetTimeout          Code = "target_timeout"
	TargetUntrusted        Code = "target_untrusted"
	TargetBroken           Code = "target_broken"
	RedirectNotAllowed     Code = "redirect_not_allowed"
	ResponseTooLarge       Code = "response_too_large"
	LLMServerUnknown       Code = "llm_server_unknown"
	LLMRefusedRemote       Code = "llm_refused_remote"
	LLMUnreachable         Code = "llm_unreachable"
	LLMTimeout             Code = "llm_timeout"
	LLMBusy                Code = "llm_busy"
	LLMModelMissing        Code = "llm_model_missing"
	LLMRequestRefused      Code = "llm_request_refused"
	LLMServerFailed        Code = "llm_server_failed"
	LLMBrokenStream        Code = "llm_broken_stream"
	LLMBadAnswer           Code = "llm_bad_answer"
	LLMUnusable            Code = "llm_unusable"
	TemplateArchived       Code = "template_archived"
	DirectiveArchived      Code = "directive_archived"
	SourceNotAllowed       Code = "source_not_allowed"
	SourceUnreadable       Code = "source_unreadable"
	BudgetSpent            Code = "budget_spent"
	WebhookDisabled        Code = "webhook_disabled"
	SecretNotFound         Code = "secret_not_found"
	SecretNotGranted       Code = "secret_not_granted"
	SecretUnreadable       Code = "secret_unreadable"
	SecretsKeyMissing      Code = "secrets_key_missing"
	SecretsKeyWrong        Code = "secrets_key_wrong"
	NotUnique              Code = "not_unique"
	AlreadyStarted         Code = "already_started"
	WrongGroup             Code = "wrong_group"
	GroupStarted           Code = "group_started"
	NotGroupable           Code = "not_groupable"
	LockHeld               Code = "lock_held"
	LockNotHeld            Code = "lock_not_held"
	DirectLaneFull         Code = "direct_lane_full"
	DirectWaitTimeout      Code = "direct_wait_timeout"
	DirectFailed           Code = "direct_failed"
	DirectGone             Code = "direct_gone"
	DirectNotRepeatable    Code = "direct_not_repeatable"
	CursorInvalid          Code = "cursor_invalid"
	StorageBusy            Code = "storage_busy"
	StorageUnavailable     Code = "storage_unavailable"
	StorageFull            Code = "storage_full"
	OtherInstance          Code = "other_instance"
	ShuttingDown           Code = "shutting_down"
	TooManyRequests        Code = "too_many_requests"
	LogGone                Code = "log_gone"
	ArtifactGone           Code = "artifact_gone"
	ArtifactTooLarge       Code = "artifact_too_large"
	QuotaExceeded          Code = "quota_exceeded"
	BackupInvalid          Code = "backup_invalid"
	StoreNotEmpty          Code = "store_not_empty"
	StoreMoved             Code = "store_moved"
	RestoreUnfinished      Code = "restore_unfinished"
)

// register is read-only; every code has exactly one entry.
var register = map[Code]Entry{
	InternalError:          {Internal, "Internal error", "Report the request id together with the server's log."},
	InvalidInput:           {Invalid, "Invalid input", "Correct the fields listed in errors."},
	MalformedBody:          {Invalid, "Malformed body", "Send one well-formed JSON document in UTF-8."},
	UnknownField:           {Invalid, "Unknown field", "Remove the field or correct its spelling; names are snake_case."},
	DuplicateKey:           {Invalid, "Duplicate key", "Give each key of an object once."},
	UnknownParameter:       {Invalid, "Unknown query parameter", "Remove the parameter or correct its spelling."},
	InvalidParameter:       {Invalid, "Invalid parameter", "Correct the parameters listed in errors."},
	InvalidHeader:          {Invalid, "Invalid header", "Correct the request headers listed in errors."},
	UnsupportedMediaType:   {Invalid, "Unsupported media type", "Send the body as application/json."},
	RangeNotSatisfiable:    {Invalid, "Range not satisfiable", "Ask for bytes within the size given in Content-Range."},
	WrongIDType:            {Invalid, "Wrong id type", "Use an id with the prefix that this place expects."},
	BodyTooLarge:           {Oversized, "Body too large", "Send a smaller body."},
	NotFound:               {Missing, "Not found", "Check the id or the path; objects of another tenant are not visible."},
	VersionNotFound:        {Missing, "Version not found", "List the versions and use the number of one of them."},
	MethodNotAllowed:       {Invalid, "Method not allowed", "Use one of the methods in the Allow header."},
	UpgradeRequired:        {Invalid, "Upgrade required", "Open a WebSocket here, version 13, or use the address named in detail."},
	Unauthorized:           {Unauthenticated, "Authentication required", "Send a valid token as Authorization: Bearer."},
	ForbiddenScope:         {Forbidden, "Forbidden", "Use a token whose role includes the scope named in detail."},
	SetupCodeInvalid:       {Forbidden, "Setup code not valid", "Use the link that the server printed last; restart the server for a new one."},
	AlreadySetUp:           {Conflicting, "Already set up", "Log in; an administrator makes further users."},
	LastAdmin:              {Conflicting, "Last administrator", "Make another enabled administrator first."},
	OIDCUnavailable:        {Unavailable, "OpenID provider unavailable", "Try again later; passwords and tokens work meanwhile. The server's log says what is wrong."},
	OIDCLoginExpired:       {Unauthenticated, "Login expired", "Log in again in this browser, within ten minutes and at the address under which the server is known."},
	OIDCRefused:            {Unauthenticated, "Refused by the OpenID provider", "Log in again; if that does not help, have the client's settings at the provider checked."},
	OIDCTokenInvalid:       {Unauthenticated, "ID token not valid", "Have the provider's settings and both clocks checked; the server's log says what is wrong."},
	OIDCNotAllowed:         {Forbidden, "Not allowed to log in", "An administrator must give the person a role or a group at the provider, or enable the user."},
	OIDCNameUnusable:       {Forbidden, "No usable name", "Have the provider give a user name, or verify the e-mail address."},
	OIDCNameTaken:          {Conflicting, "User name taken", "An administrator must tie the user to the person at the provider, or rename it."},
	HostNotAllowed:         {Forbidden, "Host not allowed", "Use a host name that the server was told to answer for."},
	CrossOrigin:            {Forbidden, "Cross-origin request", "Call from a page of this server, or from a program with a token."},
	Conflict:               {Conflicting, "Conflict", "Read the object again and repeat the change if it still makes sense."},
	NoActiveVersion:        {Conflicting, "No active version", "Activate a version of the workflow first."},
	RollbackLoop:           {Conflicting, "Rollback loop", "A node rolls a workflow back once in an hour at most; find out why it failed again, or roll back by hand."},
	WorkflowArchived:       {Conflicting, "Workflow archived", "Apply its document again to use it."},
	TooManyTags:            {Conflicting, "Too many tags", "Take away tags of the workflow that nobody needs."},
	WorkflowInUse:          {Conflicting, "Workflow in use", "Remove or change what names it first, as errors says."},
	WorkflowInvalid:        {Invalid, "Workflow not valid", "Correct the places listed in errors; runsheet workflow validate shows them, too."},
	RunningNotPossible:     {Conflicting, "Not possible for running runs", "Let running runs keep their version, or wait until they have ended."},
	NothingToRetry:         {Conflicting, "Nothing to retry", "Name a node with from_node, or run the workflow again from its beginning."},
	UnknownNode:            {Invalid, "Unknown node", "Use a node_id of the run's version; the run shows them."},
	VersionNotPossible:     {Conflicting, "Not possible with that version", "Retry from a node before those in errors, or keep the version."},
	ApprovalClosed:         {Conflicting, "Approval closed", "It was decided, has expired or was replaced: read it to see how it ended."},
	ApprovalContentChanged: {Conflicting, "Approval content changed", "Read the approval again and decide with the content_hash that it shows."},
	SelfApproval:           {Forbidden, "Self-approval", "Somebody other than the requester must approve it."},
	ApprovalDelegated:      {Forbidden, "Approval handed on", "Let the person named in detail decide it, or withdraw the delegation first."},
	DelegateNotPossible:    {Invalid, "Delegate not possible", "Name another user who may decide approvals, and neither asked for this nor wrote what asks."},
	AlreadyDecided:         {Conflicting, "Already decided", "You have approved this; it needs another person."},
	ReRequestsExhausted:    {Conflicting, "Re-requests exhausted", "Start the work anew: this request was repeated as often as it may be."},
	AlreadyFinished:        {Conflicting, "Already finished", "The job has ended; retry its run to do the work again."},
	NotFinished:            {Conflicting, "Not finished", "Wait until the run has ended."},
	NameTaken:              {Conflicting, "Name taken", "Choose another name."},
	StaleLease:             {Conflicting, "Stale lease", "The attempt was taken over; its results are refused."},
	VersionMismatch:        {Precondition, "Version mismatch", "Read the current representation and send its ETag."},
	IdempotencyMismatch:    {Invalid, "Idempotency key reused", "Use a new Idempotency-Key for a different request."},
	IdempotencyInFlight:    {Conflicting, "Request in flight", "Wait for the first request with this key to end."},
	CronInvalid:            {Invalid, "Invalid cron expression", "Correct the expression at the column named in detail."},
	TriggerInvalid:         {Invalid, "Invalid trigger", "Correct the trigger as detail says."},
	ZoneUnknown:            {Invalid, "Unknown time zone", "Use a name of the IANA time zone database, such as Europe/Paris."},
	NeverFires:             {Invalid, "Never fires", "Correct the trigger, or set allow_never if that is meant."},
	JobTypeUnknown:         {Invalid, "Unknown job type", "Use one of the job types listed in detail."},
	JobTypeDisabled:        {Invalid, "Job type disabled", "An administrator must enable this job type."},
	CommandNotAllowed:      {Invalid, "Command not allowed", "Add the executable to command.allow (RUNSHEET_COMMAND_ALLOW)."},
	TargetNotAllowed:       {Invalid, "Target not allowed", "Use a public address, or add host:port to outbound.allow (RUNSHEET_OUTBOUND_ALLOW)."},
	TargetUnreachable:      {Unavailable, "Target unreachable", "Check the host name and that the target listens on this port."},
	TargetTimeout:          {Unavailable, "Target timed out", "Try again later, or allow more time."},
	TargetUntrusted:        {Unavailable, "No secure connection to the target", "Have the target's certificate or TLS settings corrected."},
	TargetBroken:           {Unavailable, "Target broke off", "Try again; look at the target's own log."},
	RedirectNotAllowed:     {Invalid, "Redirect not allowed", "Use the URL to which the target redirects."},
	ResponseTooLarge:       {Oversized, "Response too large", "Ask the target for less."},
	LLMServerUnknown:       {Invalid, "Unknown LLM server", "Use one of the servers listed in detail, or add it to llm.servers."},
	LLMRefusedRemote:       {Invalid, "LLM server is not local", "Use a server with a loopback or private address, or set llm.allow_remote: then texts leave the machine."},
	LLMUnreachable:         {Unavailable, "LLM server unreachable", "Start the server, or correct llm.url (RUNSHEET_LLM_URL)."},
	LLMTimeout:             {Unavailable, "LLM server timed out", "Try again, use a smaller model, or raise llm.first_token_timeout or llm.idle_timeout."},
	LLMBusy:                {Unavailable, "LLM server busy", "Try again after the time in Retry-After, or let the server queue more requests."},
	LLMModelMissing:        {Missing, "No such model", "Pull the model on the LLM server, or use one that it has."},
	LLMRequestRefused:      {Invalid, "Refused by the LLM server", "Look at the LLM server's own log; check the key, the format and the length of the request."},
	LLMServerFailed:        {Unavailable, "LLM server failed", "Look at the LLM server's own log; it may lack memory for the model."},
	LLMBrokenStream:        {Unavailable, "Answer broken off", "Try again; look at the LLM server's own log."},
	LLMBadAnswer:           {Unavailable, "Answer not understood", "Check that the server is of the kind that llm.servers says."},
	LLMUnusable:            {Unavailable, "No usable answer from the model", "Try again, or use a larger model; give research sources to work from."},
	DirectiveArchived:      {Conflicting, "Directive archived", "Unarchive the directive or name another."},
	BudgetSpent:            {Limited, "Token budget spent", "Wait for the next UTC day, or raise the budget."},
	SourceNotAllowed:       {Forbidden, "Source not allowed", "Ask whoever keeps the directive to add the source to its allow-list."},
	SourceUnreadable:       {Invalid, "No source could be read", "Look at detail: use files and pages of plain text, Markdown, HTML or PDF that the server may read."},
	TemplateArchived:       {Conflicting, "Template archived", "Unarchive the template or use another."},
	WebhookDisabled:        {Conflicting, "Webhook disabled", "Enable the webhook first."},
	SecretNotFound:         {Missing, "Secret not found", "Look at the names in the list of secrets; an administrator can set it."},
	SecretNotGranted:       {Forbidden, "Secret not granted", "An administrator must grant the secret to this workflow, kind of node and host."},
	SecretUnreadable:       {Conflicting, "Secret cannot be read", "What is stored was damaged or belongs to something else: set the value again."},
	SecretsKeyMissing:      {Unavailable, "Key of secrets missing", "Give the server the key that the secrets were encrypted with: secrets.key_file or RUNSHEET_SECRETS_KEY."},
	SecretsKeyWrong:        {Unavailable, "Wrong key of secrets", "Give the server the key that the secrets were encrypted with; nothing is overwritten meanwhile."},
	NotUnique:              {Conflicting, "Not unique", "An equal job is there already; Location and errors name it."},
	AlreadyStarted:         {Conflicting, "Already started", "The job does not wait any more; name another neighbour."},
	WrongGroup:             {Invalid, "Wrong group", "A member moves only inside its group; move the group itself, or jobs that are in none."},
	GroupStarted:           {Conflicting, "Group has started", "Jobs are added only to a group that is PENDING; make another one."},
	NotGroupable:           {Conflicting, "Cannot be grouped", "Group only jobs that are in no group, wait for no approval and belong to no run of a workflow."},
	LockHeld:               {Conflicting, "Lock held", "Try again when the holder named in detail has given it back."},
	LockNotHeld:            {Conflicting, "Lock not held", "The lock expired, was taken away or given back: stop what relied on it."},
	DirectLaneFull:         {Limited, "Direct lane full", "Try again after the time in Retry-After, or put the work into the queue."},
	DirectWaitTimeout:      {Unavailable, "No slot in time", "Nothing ran. Try again after the time in Retry-After, or put the work into the queue."},
	DirectFailed:           {Unavailable, "Direct request failed", "Read the run named in detail, with its log; then make a new request."},
	DirectGone:             {Missing, "Answer gone", "The request was done, and what it left has been removed. Make a new request, under another Idempotency-Key."},
	DirectNotRepeatable:    {Conflicting, "Direct request not kept", "Nothing of what a direct request said is stored. Make the request again, or put the work into the queue."},
	CursorInvalid:          {Invalid, "Invalid cursor", "Start again without a cursor; a cursor fits only the filter and sort it came from."},
	StorageBusy:            {Unavailable, "Storage busy", "Repeat the request; use an Idempotency-Key."},
	StorageUnavailable:     {Unavailable, "Storage unavailable", "Repeat the request when the database or the place of the artifacts answers again."},
	StorageFull:            {Unavailable, "Storage full", "Free space on the data folder's disk or in the place of the artifacts; accepted work is kept."},
	OtherInstance:          {Conflicting, "Another instance is alive", "Give all instances one shared blob_url, or run one instance; a dead one's lease is over soon."},
	ShuttingDown:           {Unavailable, "Shutting down", "Repeat the request when the server is back."},
	TooManyRequests:        {Limited, "Too many requests", "Wait for the time given in Retry-After."},
	LogGone:                {Missing, "Log gone", "The log was removed by retention or lives on another machine."},
	ArtifactGone:           {Missing, "Artifact content gone", "The content was removed by retention or lives on another machine."},
	ArtifactTooLarge:       {Oversized, "Artifact too large", "Produce a smaller file, or raise artifacts.max_bytes."},
	QuotaExceeded:          {Oversized, "Quota exceeded", "Produce less, or raise artifacts.run_max_bytes or artifacts.tenant_quota_bytes; retention makes room too."},
	BackupInvalid:          {Invalid, "Backup not usable", "Use another backup; this one is damaged, not whole, or from a newer version."},
	StoreNotEmpty:          {Conflicting, "Store not empty", "Restore and migrate only into an empty data folder or database."},
	StoreMoved:             {Conflicting, "Store moved", "Start the server on the database that the queue was migrated to."},
	RestoreUnfinished:      {Conflicting, "Restore not finished", "Run the restore again with --force, or empty the data folder."},
}

// Entry returns c's registration. An unregistered code counts as internal.
func (c Code) Entry() Entry {
	if e, ok := register[c]; ok {
		return e
	}
	return register[InternalError]
}

// Codes lists every registered code, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(register)) }
