package wire

// MaxFunctionName bounds a function's name, in bytes.
const MaxFunctionName = 128

// Deployment is the text message of the deploy route; one binary message with the function's zip,
// as a Cape ciphertext in the raw form, follows it.
type Deployment struct {
	Name   string // of the function, without the user
	Public bool   // anyone may call it
	// TokenKey is what clients before March 2023 sent: the PEM of the key that signs the
	// function's tokens, or nothing for a public function.
	TokenKey string
}

// EncodeDeployment is the client's message.
func EncodeDeployment(d Deployment) []byte {
	return mustMarshal(map[string]any{"message": map[string]any{"function_name": d.Name, "public": d.Public}})
}

// DecodeDeployment reads the message of every known client: each member may be absent. A client
// that sends an empty function_token_pk, and no "public", means a public function.
func DecodeDeployment(frame []byte) (Deployment, error) {
	message, err := decodeEnvelope(frame)
	if err != nil {
		return Deployment{}, err
	}
	var d Deployment
	for _, member := range []struct {
		name string
		into *string
	}{{"function_name", &d.Name}, {"function_token_pk", &d.TokenKey}} {
		if raw, ok := message.get(member.name); ok {
			if *member.into, err = decodeString(raw, "the deployment's "+member.name); err != nil {
				return Deployment{}, err
			}
		}
	}
	public, stated := message.get("public")
	_, signs := message.get("function_token_pk")
	switch {
	case !stated:
		d.Public = signs && d.TokenKey == ""
	case string(public.raw) == "true":
		d.Public = true
	case string(public.raw) != "false":
		return Deployment{}, &Error{"protocol.message", "the deployment's \"public\" is neither true nor false"}
	}
	return d, nil
}

// EncodeDeployed is the enclave's answer to a deployment: the function's id.
func EncodeDeployed(id string) []byte {
	return mustMarshal(map[string]any{"message": map[string]any{"id": id}})
}

// DecodeDeployed returns the id of the deployed function.
func DecodeDeployed(frame []byte) (string, error) {
	message, err := decodeEnvelope(frame)
	if err != nil {
		return "", err
	}
	raw, ok := message.get("id")
	if !ok {
		return "", &Error{"protocol.message", "the answer to the deployment has no id"}
	}
	id, err := decodeString(raw, "the function's id")
	if err == nil && (id == "" || len(id) > MaxFunctionName) {
		err = &Error{"protocol.message", "the function's id is empty, or too long"}
	}
	if err != nil {
		return "", err
	}
	return oneLine(id), nil
}
