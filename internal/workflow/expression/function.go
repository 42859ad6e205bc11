package expression

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"time"
)

// round_to(x, n) rounds half away from zero to n digits behind the point.
func roundTo(x any, digits int) (float64, error) {
	f, ok := number(x)
	if !ok {
		return 0, fmt.Errorf("round_to takes a number, not %s", short(x))
	}
	if digits < 0 || digits > 15 {
		return 0, fmt.Errorf("round_to takes 0 to 15 digits")
	}
	p := math.Pow(10, float64(digits))
	if out := math.Round(f*p) / p; !math.IsInf(out, 0) && !math.IsNaN(out) {
		return out, nil
	}
	return f, nil
}

func number(x any) (float64, bool) {
	v := reflect.ValueOf(x)
	switch {
	case !v.IsValid():
		return 0, false
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}

// sha256(x) is the hex sum of a string, or of the JSON of another value.
func sum(x any) (string, error) {
	text, ok := x.(string)
	if !ok {
		var err error
		if text, err = encode(x); err != nil {
			return "", err
		}
	}
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:]), nil
}

// json(x) is x as compact JSON, with the keys in order.
func encode(x any) (string, error) {
	v, err := normal(x)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(v)
	return string(data), err
}

func (e Env) tradingDay(calendar string, at any) (bool, error) {
	t, err := instant(at)
	if err == nil && e.Calendars == nil {
		err = fmt.Errorf("there are no calendars here")
	}
	if err != nil {
		return false, err
	}
	return e.Calendars.IsTradingDay(calendar, t)
}

func (e Env) nextSession(calendar string, at any) (string, error) {
	t, err := instant(at)
	if err == nil && e.Calendars == nil {
		err = fmt.Errorf("there are no calendars here")
	}
	if err != nil {
		return "", err
	}
	next, err := e.Calendars.NextSession(calendar, t)
	return next.UTC().Format(time.RFC3339), err
}

// instant reads a time, or a date, which is its midnight UTC.
func instant(v any) (time.Time, error) {
	switch v := v.(type) {
	case time.Time:
		return v, nil
	case string:
		for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
			if t, err := time.Parse(layout, v); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%s is no time such as 2026-03-02T09:00:00Z and no date", short(v))
}

var errLarge = fmt.Errorf("the result is larger than %d MiB, or too deep", MaxResult>>20)

// normal turns a result into values of JSON and checks its size.
func normal(v any) (any, error) {
	size := 0
	out, err := plain(reflect.ValueOf(v), &size, 0)
	if err == nil && size > MaxResult {
		err = errLarge
	}
	if err != nil {
		return nil, &Error{Text: err.Error()}
	}
	return out, nil
}

func plain(v reflect.Value, size *int, depth int) (any, error) {
	if *size += 8; *size > MaxResult || depth > 100 {
		return nil, errLarge
	}
	if !v.IsValid() {
		return nil, nil //nolint:nilnil // null is a value
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano), nil
	case time.Duration:
		return x.String(), nil
	case []byte:
		return nil, fmt.Errorf("the result is binary: only values of JSON can be kept")
	}
	switch v.Kind() { //nolint:exhaustive // numbers follow; there are no values of the others
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.String:
		*size += v.Len()
		return v.String(), nil
	case reflect.Interface, reflect.Pointer:
		return plain(v.Elem(), size, depth+1)
	case reflect.Slice, reflect.Array:
		out := make([]any, 0, min(v.Len(), 1024))
		for i := range v.Len() {
			item, err := plain(v.Index(i), size, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		return out, nil
	case reflect.Map:
		return plainMap(v, size, depth)
	default:
	}
	switch {
	case v.CanInt():
		return v.Int(), nil
	case v.CanUint() && v.Uint() <= math.MaxInt64:
		return int64(v.Uint()), nil
	case v.CanFloat():
		f := v.Float()
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, fmt.Errorf("the result is no number")
		}
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), nil
		}
		return f, nil
	}
	return nil, fmt.Errorf("the result is a %s: only values of JSON can be kept", v.Type())
}

func plainMap(v reflect.Value, size *int, depth int) (any, error) {
	out := make(map[string]any, v.Len())
	for key, item := range v.Seq2() {
		for key.Kind() == reflect.Interface {
			key = key.Elem()
		}
		name := fmt.Sprint(key.Interface())
		*size += len(name)
		c, err := plain(item, size, depth+1)
		if err != nil {
			return nil, err
		}
		out[name] = c
	}
	return out, nil
}
