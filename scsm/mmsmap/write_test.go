package mmsmap_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// IEC 61850-8-1, SetDataValues: one result for each, in order; what fails does not undo the others.
func TestWritesHaveOneResultEach(t *testing.T) {
	e := engine(t, "pv.cid")
	c := connect(t, e.Services, everyRole(), assoc.Config{})
	limit := acsi.MustRef(pv + "/DGEN1.WMax.setMag.f[SP]")
	element := acsi.MustRef(pv + "/DVVR1.VVArCrv.crvPts(3).yVal[SP]")
	for _, tc := range []struct {
		name string
		a    acsi.Assignment
		want string
	}{
		{"attribute", acsi.Assignment{Ref: limit, Value: value.Float(80)}, "ok"},
		{"measurand", acsi.Assignment{Ref: acsi.MustRef(pv + "/MMXU1.TotW.mag.f[MX]"), Value: value.Float(1)}, "object-access-denied"},
		{"another type", acsi.Assignment{Ref: limit, Value: value.Int(80)}, "type-inconsistent"},
		{"nothing there", acsi.Assignment{Ref: acsi.MustRef(pv + "/DGEN1.WMin.setMag.f[SP]"), Value: value.Float(80)}, "object-non-existent"},
		{"no constraint", acsi.Assignment{Ref: acsi.MustRef(pv + "/DGEN1.WMax.setMag.f"), Value: value.Float(80)}, "invalid-address"},
		{"part of an element", acsi.Assignment{Ref: element, Value: value.Float(-40)}, "ok"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			errs, err := c.SetDataValues(t.Context(), []acsi.Assignment{tc.a})
			if err != nil || len(errs) != 1 || text(errs[0]) != tc.want {
				t.Errorf("alone: got %v %v, want %s", errs, err, tc.want)
			}
			errs, err = c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: limit, Value: value.Float(70)}, tc.a, {Ref: limit, Value: value.Float(60)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"ok", tc.want, "ok"}, []string{text(errs[0]), text(errs[1]), text(errs[2])}); diff != "" {
				t.Errorf("among others (-want +got):\n%s", diff)
			}
			if v, _ := e.Value(limit); !v.Equal(value.Float(60)) {
				t.Errorf("the last write of three left %v", v)
			}
		})
	}
	if v, _ := e.Value(element); !v.Equal(value.Float(-40)) {
		t.Errorf("the element is %v", v)
	}
	if errs, err := c.SetDataValues(t.Context(), nil); err != nil || len(errs) != 0 {
		t.Errorf("nothing to write: got %v %v", errs, err)
	}
}

func text(err error) string {
	var e *acsi.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return e.Code.String()
	}
	return err.Error()
}

// A write that is out of shape changes nothing.
func TestWriteOfUnequalCountsIsRefused(t *testing.T) {
	e := engine(t, "pv.cid")
	a, _ := rawly(t, e.Services, everyRole())
	limit := acsi.MustRef(pv + "/DGEN1.WMax.setMag.f[SP]")
	before, _ := e.Value(limit)
	v := named(pv, "DGEN1$SP$WMax$setMag$f")
	for name, request := range map[string]*mms.WriteRequest{
		"value missing":   {VariableAccessSpecification: mms.ListOfVariable{v, v}, ListOfData: []value.Value{value.Float(1)}},
		"value too many":  {VariableAccessSpecification: mms.ListOfVariable{v}, ListOfData: []value.Value{value.Float(1), value.Float(2)}},
		"no value at all": {VariableAccessSpecification: mms.ListOfVariable{v}},
	} {
		if _, err := a.Call(t.Context(), request); !errors.Is(err, &assoc.ServiceError{Class: mms.DefinitionObjectAttributeInconsistent}) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if now, _ := e.Value(limit); !now.Equal(before) {
		t.Errorf("a refused write changed %v to %v", before, now)
	}
	r, err := ask[*mms.WriteResponse](t, a, &mms.WriteRequest{VariableAccessSpecification: mms.ListOfVariable{named(pv, "DGEN1$SP$WMax$"), v, named("", "x")},
		ListOfData: []value.Value{value.Float(1), value.Float(2), value.Float(3)}})
	if err == nil {
		t.Errorf("an empty name was sent: %v", r)
	}
	r, err = ask[*mms.WriteResponse](t, a, &mms.WriteRequest{VariableAccessSpecification: mms.ListOfVariable{named(pv, "DGEN1$SP$WMax$"), v},
		ListOfData: []value.Value{value.Float(1), value.Float(2)}})
	want := []mms.WriteResult{mms.ObjectNonExistent, mms.WriteSuccess{}}
	if err != nil || cmp.Diff(want, r.Results) != "" {
		t.Errorf("a name that is none beside a good one: got %v %v, want %v", r, err, want)
	}
}

// A write whose answer does not come is not repeated: nobody knows whether it was carried out.
func TestWriteWithoutAnswerHasNoKnownOutcome(t *testing.T) {
	limit := acsi.Assignment{Ref: acsi.MustRef(pv + "/DGEN1.WMax.setMag.f[SP]"), Value: value.Float(80)}
	var writes atomic.Int32
	for name, outcome := range map[string]func(link assoc.Link) ([]error, error){
		"the link dies":      func(link assoc.Link) ([]error, error) { link.Close(); return []error{nil}, nil },
		"one result too few": nil,
	} {
		t.Run(name, func(t *testing.T) {
			writes.Store(0)
			var c *mmsmap.Client
			if outcome == nil {
				c = against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
					writes.Add(1)
					return &mms.WriteResponse{Results: []mms.WriteResult{mms.WriteSuccess{}, mms.WriteSuccess{}}}, nil
				})
			} else {
				near, far := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
				(&wired{}).serve(t, far, stub{set: func([]acsi.Assignment) ([]error, error) {
					writes.Add(1)
					return outcome(far)
				}}.services)
				var err error
				if c, err = mmsmap.Associate(t.Context(), near, assoc.Config{}); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Abort)
			}
			errs, err := c.SetDataValues(t.Context(), []acsi.Assignment{limit})
			if !errors.Is(err, assoc.ErrNoAnswer) || errs != nil {
				t.Errorf("got %v %v, want no answer", errs, err)
			}
			if n := writes.Load(); n != 1 {
				t.Errorf("the write was asked for %d times", n)
			}
		})
	}
}
