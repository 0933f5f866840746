package attest

// Error says why a document, a policy or an option was refused, in words for people and in one
// stable word for programs.
type Error struct {
	// Step is the step that failed, empty where a parameter was at fault and no document was
	// looked at.
	Step string
	// Reason is stable, such as "chain.expired". Its prefix tells the class: "argument" for
	// parameters, "policy" for a genuine document that the policy refuses, anything else for a
	// document that is not genuine, not valid, or not fresh.
	Reason string
	// Cause is what is wrong and Remedy what to do: one sentence each, lower case, no final
	// stop, one line. They hold nothing of the document but PCR indices and times.
	Cause, Remedy string
}

// Error is cause and remedy in one line.
func (e *Error) Error() string { return e.Cause + ": " + e.Remedy }

// ErrorReason is Reason, for those who know errors of several packages by it.
func (e *Error) ErrorReason() string { return e.Reason }

// The reasons of parameters that are at fault. No document was examined.
const (
	reasonPolicyMissing = "argument.policy_missing"
	reasonPolicyEmpty   = "argument.policy_empty"
	reasonPolicy        = "argument.policy"
	reasonRoots         = "argument.roots"
	reasonOptions       = "argument.options"
)

func argumentError(reason, cause, remedy string) *Error {
	return &Error{Reason: reason, Cause: cause, Remedy: remedy}
}

// Remedies that several causes share.
const (
	remedyDocument = "fetch the document again; if it stays so, the sender is no Nitro enclave"
	remedyForged   = "do not trust the sender: the document was changed on the way or forged"
	remedyChain    = "do not trust the sender: no CA of a security module issues such a certificate"
)
