package fault

import (
	"encoding/json"
	"errors"
	"strings"
)

// FromJSON makes an invalid_input fault, which points at the place, of an error
// of encoding/json. detail says what the document does not fit. A document that
// met its JSON Schema can still fail: 5.0 is an integer to a schema, but not to
// Go.
func FromJSON(err error, detail string) *Error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return Wrap(err, InvalidInput, detail+": "+err.Error())
	}
	why := "is " + wrong.Value + ", which cannot be used here"
	if strings.HasPrefix(wrong.Value, "number ") {
		why = "must be written as a whole number, without fraction or exponent"
	}
	at := ""
	if wrong.Field != "" {
		at = "/" + strings.ReplaceAll(wrong.Field, ".", "/")
	}
	return Wrap(err, InvalidInput, detail+": "+at+": "+why).At(at, "wrong_type", why)
}
