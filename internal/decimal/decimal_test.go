package decimal_test

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/decimal"
)

var (
	_ sql.Scanner   = (*decimal.Decimal)(nil)
	_ driver.Valuer = decimal.Decimal{}
)

func must(t testing.TB, s string) decimal.Decimal {
	t.Helper()
	d, err := decimal.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParse(t *testing.T) {
	t.Parallel()
	nines := strings.Repeat("9", decimal.MaxDigits)
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.00": "0", "10": "10", "1.50": "1.5", "-12.340": "-12.34", "100": "100", "0.001": "0.001",
		nines: nines, "-" + nines: "-" + nines, "0." + nines[1:]: "0." + nines[1:], "1" + strings.Repeat("0", 33): "1" + strings.Repeat("0", 33),
	} {
		if got := must(t, in).String(); got != want {
			t.Errorf("Parse(%q) = %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]error{
		"": decimal.ErrSyntax, "-": decimal.ErrSyntax, "+1": decimal.ErrSyntax, ".5": decimal.ErrSyntax, "5.": decimal.ErrSyntax,
		"01": decimal.ErrSyntax, "00.1": decimal.ErrSyntax, "1e3": decimal.ErrSyntax, "1E-3": decimal.ErrSyntax, "NaN": decimal.ErrSyntax,
		"Inf": decimal.ErrSyntax, "-Infinity": decimal.ErrSyntax, " 1": decimal.ErrSyntax, "1 ": decimal.ErrSyntax, "1,5": decimal.ErrSyntax,
		"1.2.3": decimal.ErrSyntax, "--1": decimal.ErrSyntax, "0x10": decimal.ErrSyntax, "١": decimal.ErrSyntax, "1_000": decimal.ErrSyntax,
		nines + "0": decimal.ErrRange, "0." + nines: decimal.ErrRange, strings.Repeat("1", 1<<20): decimal.ErrRange,
	} {
		if d, err := decimal.Parse(in); !errors.Is(err, want) || len(err.Error()) > 200 {
			t.Errorf("Parse(%.50q) = %s, %v; want %v", in, d, err, want)
		}
	}
}

func TestRound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in     string
		places int
		how    decimal.Rounding
		want   string
	}{
		{"2.5", 0, decimal.HalfEven, "2"},
		{"3.5", 0, decimal.HalfEven, "4"},
		{"-2.5", 0, decimal.HalfEven, "-2"},
		{"2.5", 0, decimal.HalfUp, "3"},
		{"1.005", 2, decimal.HalfEven, "1"},
		{"1.015", 2, decimal.HalfEven, "1.02"},
		{"1.29", 1, decimal.Down, "1.2"},
		{"-1.21", 1, decimal.Up, "-1.3"},
		{"-0.4", 0, decimal.HalfEven, "0"},
		{"1.5", 10, decimal.HalfEven, "1.5"},
		{strings.Repeat("9", 33) + ".9", 0, decimal.HalfEven, "1" + strings.Repeat("0", 33)},
	} {
		if got := must(t, c.in).Round(c.places, c.how).String(); got != c.want {
			t.Errorf("%s rounded %s to %d = %s, want %s", c.in, c.how, c.places, got, c.want)
		}
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	top, one := must(t, strings.Repeat("9", decimal.MaxDigits)), decimal.FromInt(1)
	tiny := must(t, "0."+strings.Repeat("0", 32)+"1")
	if d, err := top.Add(one); !errors.Is(err, decimal.ErrRange) {
		t.Errorf("Add = %s, %v", d, err)
	}
	if d, err := top.Add(tiny); !errors.Is(err, decimal.ErrRange) {
		t.Errorf("an inexact sum = %s, %v", d, err)
	}
	if d, err := top.Mul(top, 0, decimal.Down); !errors.Is(err, decimal.ErrRange) {
		t.Errorf("Mul = %s, %v", d, err)
	}
	if d, err := top.Quo(tiny, 0, decimal.Down); !errors.Is(err, decimal.ErrRange) {
		t.Errorf("Quo = %s, %v", d, err)
	}
	if d, err := one.Quo(decimal.Decimal{}, 2, decimal.Down); !errors.Is(err, decimal.ErrDivideByZero) {
		t.Errorf("1/0 = %s, %v", d, err)
	}
}

// numbers draws decimals of up to 15 digits, so that sums and products fit.
func numbers() *rapid.Generator[decimal.Decimal] {
	return rapid.Custom(func(t *rapid.T) decimal.Decimal {
		coeff, places := rapid.Int64Range(-1e15, 1e15).Draw(t, "coefficient"), rapid.IntRange(0, 12).Draw(t, "places")
		d, err := decimal.Parse(rat(coeff, places).FloatString(places))
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}

func rat(coeff int64, places int) *big.Rat {
	return new(big.Rat).SetFrac(big.NewInt(coeff), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil))
}

func toRat(t *rapid.T, d decimal.Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		t.Fatalf("%s is not a number", d)
	}
	return r
}

// TestArithmetic compares with exact fractions.
func TestArithmetic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := numbers().Draw(t, "a"), numbers().Draw(t, "b")
		ra, rb := toRat(t, a), toRat(t, b)
		check := func(op string, got decimal.Decimal, err error, want *big.Rat) {
			if err != nil || toRat(t, got).Cmp(want) != 0 {
				t.Fatalf("%s %s %s = %s, %v; want %s", a, op, b, got, err, want.FloatString(40))
			}
		}
		sum, err := a.Add(b)
		check("+", sum, err, new(big.Rat).Add(ra, rb))
		diff, err := a.Sub(b)
		check("-", diff, err, new(big.Rat).Sub(ra, rb))
		product, err := a.Mul(b, 24, decimal.HalfEven)
		if err == nil { // up to 31 digits and 24 places may not fit
			check("*", product, err, new(big.Rat).Mul(ra, rb))
		} else if !errors.Is(err, decimal.ErrRange) {
			t.Fatal(err)
		}
		if got, want := a.Cmp(b), ra.Cmp(rb); got != want {
			t.Fatalf("%s Cmp %s = %d, want %d", a, b, got, want)
		}
		if back := must2(t, a.String()); back.String() != a.String() || !back.Equal(a) {
			t.Fatalf("%s came back as %s", a, back)
		}
	})
}

func must2(t *rapid.T, s string) decimal.Decimal {
	d, err := decimal.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestQuo: the error of a quotient is within half a unit of the last place, and
// one is exact when that is possible; Down and Up enclose it.
func TestQuo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := numbers().Draw(t, "a"), numbers().Filter(func(d decimal.Decimal) bool { return d.Sign() != 0 }).Draw(t, "b")
		places := rapid.IntRange(0, 6).Draw(t, "places")
		want := new(big.Rat).Quo(toRat(t, a), toRat(t, b))
		unit := rat(1, places)
		for _, how := range []decimal.Rounding{decimal.HalfEven, decimal.HalfUp, decimal.Down, decimal.Up} {
			got, err := a.Quo(b, places, how)
			if err != nil {
				t.Fatalf("%s / %s to %d: %v", a, b, places, err)
			}
			r := toRat(t, got)
			if !new(big.Rat).Mul(r, new(big.Rat).Inv(unit)).IsInt() {
				t.Fatalf("%s has more than %d places", got, places)
			}
			off := new(big.Rat).Sub(r, want)
			size := new(big.Rat).Abs(r).Cmp(new(big.Rat).Abs(want))
			twice := new(big.Rat).Abs(new(big.Rat).Add(off, off))
			ok := false
			switch how {
			case decimal.HalfEven, decimal.HalfUp:
				ok = twice.Cmp(unit) <= 0
				if twice.Cmp(unit) == 0 { // a tie
					units := new(big.Rat).Mul(r, new(big.Rat).Inv(unit)).Num()
					ok = how == decimal.HalfUp && size > 0 || how == decimal.HalfEven && units.Bit(0) == 0
				}
			case decimal.Down:
				ok = size <= 0 && new(big.Rat).Abs(off).Cmp(unit) < 0
			case decimal.Up:
				ok = size >= 0 && new(big.Rat).Abs(off).Cmp(unit) < 0
			}
			if !ok {
				t.Fatalf("%s / %s to %d, %s = %s, exactly %s", a, b, places, how, got, want.FloatString(20))
			}
		}
	})
}

func TestQuoRoundsOnce(t *testing.T) {
	t.Parallel()
	// 0.5 and a little more: a quotient cut to a few digits first would be a tie
	// and round to 0.
	a, b := must(t, "5000000000000000000000000000000001"), must(t, "9999999999999999999999999999999999")
	got, err := a.Quo(b, 0, decimal.HalfEven)
	if err != nil || got.String() != "1" {
		t.Errorf("%s / %s = %s, %v; want 1", a, b, got, err)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	type body struct {
		Price decimal.Decimal  `json:"price"`
		Limit *decimal.Decimal `json:"limit"`
	}
	var in body
	if err := json.Unmarshal([]byte(`{"price":"10.50","limit":null}`), &in); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(in)
	if want := `{"price":"10.5","limit":null}`; err != nil || string(out) != want {
		t.Errorf("Marshal = %s, %v; want %s", out, err, want)
	}
	for _, bad := range []string{`10.5`, `null`, `"1e3"`, `""`, `{}`, `"NaN"`, `true`} {
		var d decimal.Decimal
		if err := json.Unmarshal([]byte(bad), &d); !errors.Is(err, decimal.ErrSyntax) {
			t.Errorf("Unmarshal(%s) = %s, %v", bad, d, err)
		}
	}
}

func TestSQL(t *testing.T) {
	t.Parallel()
	for _, src := range []any{"12.50", []byte("12.5")} {
		var d decimal.Decimal
		if err := d.Scan(src); err != nil {
			t.Fatal(err)
		}
		if v, err := d.Value(); err != nil || v != "12.5" {
			t.Errorf("Value = %v, %v", v, err)
		}
	}
	var d decimal.Decimal
	if err := d.Scan(int64(-3)); err != nil || d.String() != "-3" {
		t.Errorf("Scan(-3) = %s, %v", d, err)
	}
	for _, src := range []any{nil, 1.5, "x"} {
		if err := d.Scan(src); err == nil {
			t.Errorf("Scan(%v) works", src)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "-1.5", "1e9", "0.000", "9999999999999999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := decimal.Parse(s)
		if err != nil {
			return
		}
		r, ok := new(big.Rat).SetString(s)
		if back := must(t, d.String()); !ok || back.Cmp(d) != 0 || r.Cmp(new(big.Rat).SetFrac(frac(d))) != 0 {
			t.Errorf("%q became %s", s, d)
		}
	})
}

func frac(d decimal.Decimal) (num, den *big.Int) {
	r, _ := new(big.Rat).SetString(fmt.Sprint(d))
	return r.Num(), r.Denom()
}
