// Package decimal is for money and quantities: exact decimal numbers of at most
// 34 digits, as many as IEEE 754's decimal128 has. A float64 never touches them.
//
// Values are immutable, and the zero value is 0. Text, JSON and SQL hold the
// canonical form: plain notation, no exponent, no needless zero, so that equal
// numbers are equal text. Nothing is rounded silently: operations that can be
// inexact name the number of places and the way to round, and a result that
// does not fit is ErrRange.
//
//	price, err := decimal.Parse("101.25")
//	cost, err := price.Mul(quantity, 2, decimal.HalfEven)
package decimal

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/cockroachdb/apd/v3"
)

// MaxDigits is the greatest number of digits, before and after the point
// together.
const MaxDigits = 34

// Errors of this package.
var (
	ErrSyntax       = errors.New("not a decimal number such as 12.5")
	ErrRange        = fmt.Errorf("more than %d digits", MaxDigits)
	ErrDivideByZero = errors.New("division by zero")
)

// Rounding says what becomes of digits that do not fit.
type Rounding string

// The ways to round.
const (
	HalfEven Rounding = Rounding(apd.RoundHalfEven) // to the nearest, ties to the even digit
	HalfUp   Rounding = Rounding(apd.RoundHalfUp)   // to the nearest, ties away from zero
	Down     Rounding = Rounding(apd.RoundDown)     // towards zero
	Up       Rounding = Rounding(apd.RoundUp)       // away from zero
)

// exact is wide enough for every sum and product of two numbers, so that it
// never rounds; what comes out is fitted afterwards.
var exact = apd.Context{Precision: 8 * MaxDigits, MaxExponent: 1000, MinExponent: -1000, Traps: apd.DefaultTraps}

// Decimal is a number. Compare with Cmp or Equal, not with ==.
type Decimal struct{ n apd.Decimal }

// FromInt returns n.
func FromInt(n int64) Decimal {
	d, _ := fit(apd.New(n, 0)) // 19 digits at most
	return d
}

// Parse reads plain notation: an optional minus, digits, and optionally a point
// and digits. It refuses exponents, leading zeros and plus signs, spaces, NaN and
// infinities with ErrSyntax, and numbers of more than MaxDigits digits with
// ErrRange; zeros at the end of a fraction count as digits.
func Parse(s string) (Decimal, error) {
	digits, err := scan(s)
	if err != nil {
		return Decimal{}, fmt.Errorf("parse %.40q: %w", s, err)
	}
	if digits > MaxDigits {
		return Decimal{}, fmt.Errorf("parse %.40q: %w", s, ErrRange)
	}
	n, _, err := exact.NewFromString(s)
	if err != nil {
		return Decimal{}, fmt.Errorf("parse %.40q: %w", s, ErrSyntax)
	}
	return fit(n)
}

// scan checks the notation of s and counts its digits.
func scan(s string) (digits int, err error) {
	i, whole, point := 0, 0, false
	if s != "" && s[0] == '-' {
		i = 1
	}
	first := i
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && !point && digits > 0:
			point, whole = true, digits
		default:
			return 0, ErrSyntax
		}
	}
	if !point {
		whole = digits
	}
	if digits == 0 || point && digits == whole || whole > 1 && s[first] == '0' {
		return 0, ErrSyntax
	}
	return digits, nil
}

// fit brings n into canonical form, or returns ErrRange.
func fit(n *apd.Decimal) (Decimal, error) {
	var d Decimal
	d.n.Reduce(n)
	if d.n.IsZero() {
		return Decimal{}, nil
	}
	if d.n.Exponent > 0 { // plain notation needs the zeros
		if d.n.NumDigits()+int64(d.n.Exponent) > MaxDigits {
			return Decimal{}, ErrRange
		}
		if _, err := exact.Quantize(&d.n, &d.n, 0); err != nil {
			return Decimal{}, ErrRange
		}
	}
	// 0.001 has one digit for apd and four in plain notation.
	if max(d.n.NumDigits(), 1-int64(d.n.Exponent)) > MaxDigits {
		return Decimal{}, ErrRange
	}
	return d, nil
}

// String is the canonical form.
func (d Decimal) String() string { return d.n.Text('f') }

// Sign is -1, 0 or 1.
func (d Decimal) Sign() int { return d.n.Sign() }

// Cmp is -1 when d < e, 0 when they are equal, 1 when d > e.
func (d Decimal) Cmp(e Decimal) int { return d.n.Cmp(&e.n) }

// Equal reports whether d and e are the same number.
func (d Decimal) Equal(e Decimal) bool { return d.Cmp(e) == 0 }

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	var r Decimal
	if d.Sign() != 0 { // there is no negative zero
		r.n.Neg(&d.n)
	}
	return r
}

// Add returns d + e, exactly, or ErrRange.
func (d Decimal) Add(e Decimal) (Decimal, error) {
	var r apd.Decimal
	if _, err := exact.Add(&r, &d.n, &e.n); err != nil {
		return Decimal{}, ErrRange
	}
	return fit(&r)
}

// Sub returns d - e, exactly, or ErrRange.
func (d Decimal) Sub(e Decimal) (Decimal, error) { return d.Add(e.Neg()) }

// Mul returns d * e rounded to the given places after the point, or ErrRange.
func (d Decimal) Mul(e Decimal, places int, how Rounding) (Decimal, error) {
	var r apd.Decimal
	if _, err := exact.Mul(&r, &d.n, &e.n); err != nil {
		return Decimal{}, ErrRange
	}
	return round(&r, places, how)
}

// Quo returns d / e rounded to the given places after the point. It returns
// ErrDivideByZero or ErrRange. The result is rounded once, from the exact
// quotient.
func (d Decimal) Quo(e Decimal, places int, how Rounding) (Decimal, error) {
	if e.Sign() == 0 {
		return Decimal{}, ErrDivideByZero
	}
	num, den := apd.NewBigInt(0).Set(&d.n.Coeff), apd.NewBigInt(0).Set(&e.n.Coeff)
	if shift := int64(d.n.Exponent) - int64(e.n.Exponent) + int64(clamp(places)); shift >= 0 {
		num.Mul(num, power(shift))
	} else {
		den.Mul(den, power(-shift))
	}
	return divide(num, den, clamp(places), how, d.Sign() != e.Sign())
}

// Round returns d rounded to the given places after the point. It cannot fail.
func (d Decimal) Round(places int, how Rounding) Decimal {
	r, _ := round(&d.n, places, how) // never has more digits than d
	return r
}

func round(n *apd.Decimal, places int, how Rounding) (Decimal, error) {
	if int(-n.Exponent) <= clamp(places) {
		return fit(n)
	}
	den := power(-int64(n.Exponent) - int64(clamp(places)))
	return divide(apd.NewBigInt(0).Set(&n.Coeff), den, clamp(places), how, n.Negative)
}

// divide returns num/den, two magnitudes, as units of the last of the given
// places, rounded once. (apd's own Quantize loses what lies more than a digit
// below that place.)
func divide(num, den *apd.BigInt, places int, how Rounding, negative bool) (Decimal, error) {
	q, rest := apd.NewBigInt(0).QuoRem(num, den, apd.NewBigInt(0))
	half := rest.Lsh(rest, 1).Cmp(den) // of the remainder, compared with a half
	away := false
	switch how {
	case HalfEven:
		away = half > 0 || half == 0 && q.Bit(0) == 1
	case HalfUp:
		away = half >= 0
	case Up:
		away = rest.Sign() != 0
	case Down:
	}
	if away {
		q.Add(q, apd.NewBigInt(1))
	}
	r := apd.NewWithBigInt(q, -int32(places))
	r.Negative = negative
	return fit(r)
}

// power returns 10^n.
func power(n int64) *apd.BigInt {
	return apd.NewBigInt(0).Exp(apd.NewBigInt(10), apd.NewBigInt(n), nil)
}

// clamp keeps places where a Decimal can have them.
func clamp(places int) int { return min(max(places, 0), MaxDigits-1) }

// MarshalText implements encoding.TextMarshaler: JSON gets a string.
func (d Decimal) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalJSON accepts a JSON string and nothing else: a JSON number has been
// through somebody's float.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("%w: it must be a JSON string", ErrSyntax)
	}
	return d.UnmarshalText(b[1 : len(b)-1])
}

// UnmarshalText implements encoding.TextUnmarshaler with Parse.
func (d *Decimal) UnmarshalText(b []byte) error {
	v, err := Parse(string(b))
	if err == nil {
		*d = v
	}
	return err
}

// Value implements driver.Valuer: text.
func (d Decimal) Value() (driver.Value, error) { return d.String(), nil }

// Scan implements sql.Scanner for text and integers. Null and floats are
// errors.
func (d *Decimal) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return d.UnmarshalText([]byte(v))
	case []byte:
		return d.UnmarshalText(v)
	case int64:
		*d = FromInt(v)
		return nil
	default:
		return fmt.Errorf("scan a decimal from %T: %w", src, ErrSyntax)
	}
}
