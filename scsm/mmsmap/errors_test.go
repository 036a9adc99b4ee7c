package mmsmap_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/value"
)

const lastCode = acsi.ObjectValueInvalid

// IEC 61850-8-1, Table "Mapping of ACSI service errors": what the server says is what the client hears.
func TestErrorsOfObjectsArrive(t *testing.T) {
	var code acsi.Code
	c := connect(t, stub{
		get: func(refs []acsi.Ref) ([]acsi.Result, error) {
			return []acsi.Result{{Err: fmt.Errorf("wrapped: %w", acsi.Errorf(code, "a text"))}}, nil
		},
		set: func([]acsi.Assignment) ([]error, error) { return []error{acsi.Errorf(code, "a text")}, nil },
	}.services, everyRole(), assoc.Config{})
	ref := acsi.MustRef("LD/LN.A.b[SP]")
	for code = range lastCode + 1 {
		results, err := c.GetDataValues(t.Context(), []acsi.Ref{ref})
		if err != nil {
			t.Fatal(err)
		}
		errs, err := c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: ref, Value: value.Int(1)}})
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"read": results[0].Err, "write": errs[0]} {
			if got, ok := err.(*acsi.Error); !ok || got.Code != code || !got.Remote || got.Text != "" {
				t.Errorf("%s: got %#v, want %v of the peer, without text", what, err, code)
			}
		}
	}
	if got := c.Faults(); len(got) > 0 {
		t.Errorf("what the peer is told is no fault: %v", got)
	}
}

func TestErrorsOfServicesArrive(t *testing.T) {
	var said error
	c := connect(t, stub{
		lds:        func() ([]string, error) { return nil, said },
		lns:        func(string) ([]string, error) { return nil, said },
		definition: func(acsi.Ref) (*acsi.Node, error) { return nil, said },
		get:        func([]acsi.Ref) ([]acsi.Result, error) { return nil, said },
		set:        func([]acsi.Assignment) ([]error, error) { return nil, said },
	}.services, everyRole(), assoc.Config{})
	ref := acsi.MustRef("LD/LN.A.b[SP]")
	services := map[string]func(context.Context) error{
		"GetServerDirectory":        func(ctx context.Context) error { _, err := c.GetServerDirectory(ctx); return err },
		"GetLogicalDeviceDirectory": func(ctx context.Context) error { _, err := c.GetLogicalDeviceDirectory(ctx, "LD"); return err },
		"GetLogicalNodeDirectory": func(ctx context.Context) error {
			_, err := c.GetLogicalNodeDirectory(ctx, acsi.MustRef("LD/LN"))
			return err
		},
		"GetAllDataValues":  func(ctx context.Context) error { _, err := c.GetAllDataValues(ctx, acsi.MustRef("LD/LN")); return err },
		"GetDataValues":     func(ctx context.Context) error { _, err := c.GetDataValues(ctx, []acsi.Ref{ref}); return err },
		"GetDataDirectory":  func(ctx context.Context) error { _, err := c.GetDataDirectory(ctx, ref); return err },
		"GetDataDefinition": func(ctx context.Context) error { _, err := c.GetDataDefinition(ctx, ref); return err },
		"SetDataValues": func(ctx context.Context) error {
			_, err := c.SetDataValues(ctx, []acsi.Assignment{{Ref: ref, Value: value.Int(1)}})
			return err
		},
	}
	for service, call := range services {
		t.Run(service, func(t *testing.T) {
			for code := range lastCode + 1 {
				said = acsi.Errorf(code, "a text")
				want := code
				if code == acsi.ObjectValueInvalid {
					want = acsi.ObjectAttributeInconsistent // MMS has one error for both
				}
				if got, ok := call(t.Context()).(*acsi.Error); !ok || got.Code != want || !got.Remote || got.Text != "" {
					t.Errorf("%v: got %#v, want %v of the peer, without text", code, got, want)
				}
			}
			before := len(c.Faults())
			said = errors.New("disk path /secret")
			got, ok := call(t.Context()).(*acsi.Error)
			if !ok || got.Code != acsi.HardwareFault || !got.Remote || strings.Contains(got.Error(), "secret") || !strings.Contains(got.Error(), "others: other") {
				t.Errorf("a fault of the server: got %v", got)
			}
			if faults := c.Faults(); len(faults) != before+1 || !errors.Is(faults[before], said) {
				t.Errorf("faults heard: %v, want the one more that the peer was not told", faults)
			}
		})
	}
	if c.Err() != nil {
		t.Errorf("the association ended: %v", c.Err())
	}
}

// A fault of ours in one object is no fault of the others, and the peer hears only that there is one.
func TestFaultOfOneObject(t *testing.T) {
	secret := errors.New("disk path /secret")
	c := connect(t, stub{
		get: func(refs []acsi.Ref) ([]acsi.Result, error) {
			return []acsi.Result{{Value: value.Int(1)}, {Err: secret}}, nil
		},
	}.services, everyRole(), assoc.Config{})
	ref := acsi.MustRef("LD/LN.A.b[SP]")
	results, err := c.GetDataValues(t.Context(), []acsi.Ref{ref, ref})
	if err != nil || results[0].Err != nil || text(results[1].Err) != "hardware-fault" {
		t.Errorf("got %v %v, want one value and one hardware-fault", results, err)
	}
	if faults := c.Faults(); len(faults) != 1 || !errors.Is(faults[0], secret) {
		t.Errorf("faults heard: %v", faults)
	}
}

// An implementation of Services that miscounts is a fault of ours too, and ends nothing.
func TestServicesThatMiscount(t *testing.T) {
	c := connect(t, stub{
		get: func(refs []acsi.Ref) ([]acsi.Result, error) { return make([]acsi.Result, len(refs)+1), nil },
		set: func([]acsi.Assignment) ([]error, error) { return nil, nil },
	}.services, everyRole(), assoc.Config{})
	ref := acsi.MustRef("LD/LN.A.b[SP]")
	if _, err := c.GetDataValues(t.Context(), []acsi.Ref{ref}); text(err) != "hardware-fault" {
		t.Errorf("read: got %v", err)
	}
	if _, err := c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: ref, Value: value.Int(1)}}); text(err) != "hardware-fault" {
		t.Errorf("write: got %v", err)
	}
	if n := len(c.Faults()); n != 2 {
		t.Errorf("%d faults heard, want 2", n)
	}
}

func TestServicesThatAreNotServed(t *testing.T) {
	c := connect(t, stub{}.services, everyRole(), assoc.Config{})
	if s := c.Supported(); s != 0 {
		t.Errorf("the peer serves %v", s)
	}
	a, _ := rawly(t, stub{}.services, everyRole())
	for name, request := range map[string]mms.ConfirmedServiceRequest{
		"domains of a domain": &mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassDomain}, ObjectScope: mms.ScopeDomain("LD")},
		"of no known class":   &mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: 77}, ObjectScope: mms.ScopeVMD{}},
		"of the association":  &mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassDomain}, ObjectScope: mms.ScopeAA{}},
	} {
		if _, err := a.Call(t.Context(), request); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectAccessUnsupported}) {
			t.Errorf("%s: got %v, want access: object-access-unsupported", name, err)
		}
	}
}

// What an answer says beyond the words of ACSI is kept for people.
func TestAnswersWithoutACounterpart(t *testing.T) {
	ref := acsi.MustRef("LD/LN.A.b[SP]")
	c := against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return nil, &assoc.ServiceError{Class: mms.ResourceMemoryUnavailable}
	})
	_, err := c.GetDataValues(t.Context(), []acsi.Ref{ref})
	if text(err) != "hardware-fault" || !strings.Contains(err.Error(), "resource: memory-unavailable") {
		t.Errorf("service error: got %v", err)
	}
	c = against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{mms.DataAccessError(99)}}, nil
	})
	results, err := c.GetDataValues(t.Context(), []acsi.Ref{ref})
	if err != nil || text(results[0].Err) != "hardware-fault" || !strings.Contains(results[0].Err.Error(), "99") {
		t.Errorf("access error: got %v %v", results, err)
	}
	c = against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return nil, assoc.ErrUnrecognizedService
	})
	var reject *assoc.RejectError
	if _, err := c.GetServerDirectory(t.Context()); !errors.As(err, &reject) {
		t.Errorf("reject: got %v", err)
	}
}
