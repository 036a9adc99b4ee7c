package client

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// peer answers as an engine does, but for what the test puts in its place.
type peer struct {
	acsi.Services
	read  func(refs []acsi.Ref, results []acsi.Result) ([]acsi.Result, error)
	write func(errs []error) ([]error, error)
	asked int
}

func (p *peer) GetDataDefinition(ctx context.Context, ref acsi.Ref) (*acsi.Node, error) {
	p.asked++
	return p.Services.GetDataDefinition(ctx, ref)
}

func (p *peer) GetDataValues(ctx context.Context, refs []acsi.Ref) ([]acsi.Result, error) {
	results, err := p.Services.GetDataValues(ctx, refs)
	if err != nil || p.read == nil {
		return results, err
	}
	return p.read(refs, results)
}

func (p *peer) SetDataValues(ctx context.Context, a []acsi.Assignment) ([]error, error) {
	errs, err := p.Services.SetDataValues(ctx, a)
	if err != nil || p.write == nil {
		return errs, err
	}
	return p.write(errs)
}

func newPeer(t *testing.T) *peer {
	return &peer{Services: engine(t).Services(subject(rbac.Engineer))}
}

func TestValuesOfAnotherTypeThanTheDefinitionAreErrors(t *testing.T) {
	good := acsi.QualityGood.Value()
	for _, tc := range []struct {
		ref  string
		v    value.Value
		want string
	}{
		{"CRNLD0/MMXU1.TotW[MX]", value.Float(1), "the IED sent float32 with 0 parts for TotW, which is a structure of 3"},
		{"CRNLD0/MMXU1.TotW[MX]", value.StructureOf(value.StructureOf(value.Int(0), value.Float(1)), good), "structure of 3"},
		{"CRNLD0/MMXU1.TotW.mag.f", value.Int(1), "the IED sent integer for f, which is float32"},
		{"CRNLD0/MMXU1.TotW.mag.f", value.Value{}, "the IED sent invalid for f"},
		{"CRNLD0/MMXU1.TotW.mag", value.StructureOf(value.Int(1), value.StructureOf(value.Float(1))), "for f, which is float32"},
		{"FreelyNamed/SchFSCH1.Curve.val", value.StructureOf(value.Float(1)), "which is an array"},
		{"FreelyNamed/SchFSCH1.Curve.val", value.ArrayOf(value.Bool(true)), "the IED sent boolean for val"},
	} {
		p := newPeer(t)
		p.read = func(refs []acsi.Ref, results []acsi.Result) ([]acsi.Result, error) {
			results[0].Value = tc.v
			return results, nil
		}
		r, err := New(p).Read(bg, acsi.MustRef(tc.ref))
		if err != nil || r[0].Err == nil || !strings.Contains(r[0].Err.Error(), tc.want) {
			t.Errorf("%s = %v: got %v %v, want %s", tc.ref, tc.v, err, r, tc.want)
		}
	}
}

// Some devices send a double point as a number, or a text as another kind of string.
func TestValuesOfAnotherKindAreShownWhereTheyAreTaken(t *testing.T) {
	for _, tc := range []struct {
		ref  string
		v    value.Value
		want string
	}{
		{"CRNLD0/CSWI1.Pos.stVal[ST]", value.Int(2), "on"},
		{"CRNLD0/CSWI1.Pos.stVal[ST]", value.Uint(1), "off"},
		{"CRNLD0/CSWI1.Pos.stVal[ST]", value.Int(7), "7"},
		{"CRNLD0/MMXU1.TotW.mag.f[MX]", value.Int(12), "12"},
		{"CRNLD0/LLN0.NamPlt.vendor[DC]", value.Text("Maker"), "Maker"},
	} {
		for _, any := range []bool{false, true} {
			p := newPeer(t)
			p.read = func(refs []acsi.Ref, results []acsi.Result) ([]acsi.Result, error) {
				results[0] = acsi.Result{Value: tc.v}
				return results, nil
			}
			c := New(p)
			c.AnyKind = any
			r, err := c.Read(bg, acsi.MustRef(tc.ref))
			if err != nil || (r[0].Err == nil) != any {
				t.Errorf("%s = %v, any kind %t: got %v %v", tc.ref, tc.v, any, err, r)
				continue
			}
			var b strings.Builder
			if err := Print(&b, r, Style{}); err != nil || any && !strings.Contains(b.String(), "  "+tc.want) {
				t.Errorf("%s = %v: got %q %v, want %s", tc.ref, tc.v, b.String(), err, tc.want)
			}
			if line, err := r[0].MarshalJSON(); err != nil || any && !strings.Contains(string(line), tc.want) {
				t.Errorf("%s = %v: got %s %v, want %s", tc.ref, tc.v, line, err, tc.want)
			}
		}
	}
	p := newPeer(t)
	p.read = func(_ []acsi.Ref, results []acsi.Result) ([]acsi.Result, error) {
		results[0] = acsi.Result{Value: value.StructureOf(value.Int(1))}
		return results, nil
	}
	c := New(p)
	c.AnyKind = true
	if r, err := c.Read(bg, acsi.MustRef("CRNLD0/MMXU1.TotW.mag.f[MX]")); err != nil || r[0].Err == nil {
		t.Errorf("a structure is taken for a number: %v %v", r, err)
	}
}

func TestAnArrayOfAnotherLengthIsShownAsItIs(t *testing.T) {
	p := newPeer(t)
	p.read = func(_ []acsi.Ref, results []acsi.Result) ([]acsi.Result, error) {
		results[0].Value = value.ArrayOf(value.Float(7))
		return results, nil
	}
	r, err := New(p).Read(bg, acsi.MustRef("FreelyNamed/SchFSCH1.Curve.val"))
	if err != nil || r[0].Err != nil {
		t.Fatal(err, r)
	}
	var b strings.Builder
	if err := Print(&b, r, Style{}); err != nil || b.String() != "FreelyNamed/SchFSCH1.Curve.val(0)[SP]  7\n" {
		t.Errorf("got %q %v", b.String(), err)
	}
}

func TestUnitsThatMakeNoSenseAreNoUnits(t *testing.T) {
	i := value.Int
	for _, tc := range []struct {
		name string
		unit acsi.Result
		want string
	}{
		{"watts", acsi.Result{Value: value.StructureOf(i(62), i(6))}, "MW"},
		{"no prefix", acsi.Result{Value: value.StructureOf(i(38), i(0))}, "W"},
		{"a prefix without a letter", acsi.Result{Value: value.StructureOf(i(38), i(5))}, "10^5 W"},
		{"dimensionless", acsi.Result{Value: value.StructureOf(i(1), i(0))}, ""},
		{"an unknown unit", acsi.Result{Value: value.StructureOf(i(99), i(0))}, ""},
		{"only the unit", acsi.Result{Value: value.StructureOf(i(29))}, "V"},
		{"a prefix of another type", acsi.Result{Value: value.StructureOf(i(29), value.Bool(true))}, "V"},
		{"a unit of another type", acsi.Result{Value: value.StructureOf(value.Bool(true), i(1))}, ""},
		{"no structure", acsi.Result{Value: i(29)}, ""},
		{"denied", acsi.Result{Err: acsi.Errorf(acsi.ObjectAccessDenied, "no")}, ""},
	} {
		p := newPeer(t)
		p.read = func(refs []acsi.Ref, results []acsi.Result) ([]acsi.Result, error) {
			for i, ref := range refs {
				if ref.Name() == "units" {
					results[i] = tc.unit
				}
			}
			return results, nil
		}
		ref := acsi.MustRef("CRNLD0/MMXU1.TotW.mag.f[MX]")
		r, err := New(p).Read(bg, ref)
		if err != nil || r[0].Err != nil || r[0].Unit(ref) != tc.want {
			t.Errorf("%s: got %q %v %v, want %q", tc.name, r[0].Unit(ref), r[0].Err, err, tc.want)
		}
	}
}

func TestFailureOfAWholeServiceEndsTheCall(t *testing.T) {
	p := newPeer(t)
	p.read = func([]acsi.Ref, []acsi.Result) ([]acsi.Result, error) { return nil, net.ErrClosed }
	if _, err := New(p).Read(bg, acsi.MustRef("CRNLD0/MMXU1.TotW[MX]")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: got %v", err)
	}
	p.read = func(_ []acsi.Ref, results []acsi.Result) ([]acsi.Result, error) { return results[1:], nil }
	if _, err := New(p).Read(bg, acsi.MustRef("CRNLD0/MMXU1.TotW[MX]")); err == nil {
		t.Error("fewer results than objects are accepted")
	}
	c := New(p)
	a, err := c.ParseAssignment(bg, all+"i8=1")
	if err != nil {
		t.Fatal(err)
	}
	p.write = func([]error) ([]error, error) { return nil, nil }
	if _, err := c.Set(bg, a); err == nil {
		t.Error("fewer outcomes than assignments are accepted")
	}
	p.write = func([]error) ([]error, error) { return nil, net.ErrClosed }
	if _, err := c.Set(bg, a); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: got %v", err)
	}
}

func TestDefinitionsAreAskedForOnce(t *testing.T) {
	p := newPeer(t)
	c := New(p)
	for range 3 {
		if _, err := c.Read(bg, refs("CRNLD0/MMXU1.TotW[MX]", "CRNLD0/MMXU1.PhV[MX]")...); err != nil {
			t.Fatal(err)
		}
	}
	if p.asked != 1 {
		t.Errorf("%d definitions asked for, want 1", p.asked)
	}
}

func TestManyObjectsAreReadInSeveralServices(t *testing.T) {
	p := newPeer(t)
	services := 0
	p.read = func(refs []acsi.Ref, results []acsi.Result) ([]acsi.Result, error) {
		if services++; len(refs) > maxAtOnce+8 {
			t.Errorf("%d objects in one service", len(refs))
		}
		return results, nil
	}
	c := New(p)
	var list []acsi.Ref
	err := c.Walk(bg, acsi.Ref{}, func(o Object) error {
		if o.Node != nil && o.Node.IsLeaf() {
			list = append(list, o.Ref)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Read(bg, list...)
	if err != nil || len(r) != len(list) || services < 2 {
		t.Fatalf("%v: %d results of %d, in %d services", err, len(r), len(list), services)
	}
	for i := range r {
		if r[i].Ref != list[i] || (r[i].Err != nil) != (list[i].FC() == acsi.CO) {
			t.Fatalf("result %d of %s is %+v", i, list[i], r[i])
		}
	}
}

func TestOctetsAreShownAsTextToo(t *testing.T) {
	n := &acsi.Node{Name: "orIdent", FC: acsi.CO, Type: acsi.Type{Kind: value.OctetString, Size: 64}}
	for in, want := range map[string]string{"": `""`, "ann@dso": `616e6e4064736f "ann@dso"`, "a\x00": "6100", "\xff": "ff"} {
		if got := (Style{}).leaf(acsi.MustRef("A/B.C[CO]"), n, value.Octets([]byte(in))); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestHintsSayWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		ref  string
		code acsi.Code
		want string
	}{
		{"A/B.C[SP]", acsi.ObjectAccessDenied, "CONFIG"},
		{"A/B.C[CO]", acsi.ObjectAccessDenied, "CONTROL"},
		{"A/B.C[SE]", acsi.ObjectAccessDenied, "SETTINGGROUP"},
		{"A/B.C[ST]", acsi.ObjectAccessDenied, "read only"},
		{"A/B.C[ST]", acsi.ObjectNonExistent, "ls"},
		{"A/B.C[SP]", acsi.TypeInconsistent, "type"},
		{"A/B.C[SP]", acsi.TemporarilyUnavailable, "again"},
	} {
		f := FailureOf(acsi.MustRef(tc.ref), &acsi.Error{Code: tc.code, Remote: true})
		if f.Layer != "acsi" || f.Code != tc.code.String() || !strings.Contains(f.Hint, tc.want) {
			t.Errorf("%s %s: got %+v, want a hint with %s", tc.ref, tc.code, f, tc.want)
		}
	}
	if f := FailureOf(acsi.Ref{}, errors.New("x")); f.Layer != "reference" || f.Text != "x" {
		t.Errorf("got %+v", f)
	}
	if FailureOf(acsi.Ref{}, nil) != nil {
		t.Error("no error is a failure")
	}
}
