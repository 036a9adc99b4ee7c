package mmsmap_test

import (
	"errors"
	"testing"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// Associate and release, associate and abort, again and again: nothing is left of it, and the IED takes the next.
//
// Conformance: sAss1, sAss2, cAss.
func TestAssociatedAgainAndAgain(t *testing.T) {
	for _, m := range testbed.Modes {
		t.Run(m.String(), func(t *testing.T) {
			times := 250
			if m == testbed.Encrypted || m == testbed.Clear {
				times = 7 // a peer has a budget of handshakes
			}
			bed := testbed.Start(t, testbed.Options{Mode: m})
			ended := make(chan error, 1)
			bed.NewIED("pv1", testbed.IEDConfig{Model: plant(t), Ended: func(err error) { ended <- err }})
			ems := bed.Party("ems", rbac.Viewer)
			for i := range times {
				if err := ems.Associate("pv1").Release(timeout(t)); err != nil {
					t.Fatalf("release %d: %v", i, err)
				}
				if err := <-ended; err != nil {
					t.Fatalf("release %d: the IED says %v", i, err)
				}
				ems.Associate("pv1").Abort()
				if err := <-ended; err == nil {
					t.Fatalf("abort %d: the IED says that it was released", i)
				}
			}
			read(t, ems.Associate("pv1"), power)
		})
	}
}

// writables are the settings, configuration and descriptions of a logical node, leaf by leaf, but for what is read only.
func writables(t *testing.T, e *server.Engine, ln acsi.Ref) (refs []acsi.Ref) {
	t.Helper()
	node, err := e.Services(everyRole()).GetDataDefinition(t.Context(), ln)
	if err != nil {
		t.Fatal(err)
	}
	var add func(ref acsi.Ref, n *acsi.Node)
	add = func(ref acsi.Ref, n *acsi.Node) {
		if n.IsLeaf() && n.Count == 0 && !n.ReadOnly {
			refs = append(refs, ref)
		}
		if n.Kind == acsi.ControlBlockNode || n.Count > 0 || n.ReadOnly {
			return
		}
		for _, child := range n.Children {
			add(acsi.MustRef(ref.Path()+"."+child.Name).WithFC(ref.FC()), child)
		}
	}
	for _, fc := range []acsi.FC{acsi.SP, acsi.CF, acsi.DC} {
		if under := node.Under(fc); under != nil {
			add(ln.WithFC(fc), under)
		}
	}
	return refs
}

// What can be written is written, each by itself and all at once, and is there again; over every carrier.
//
// Conformance: sSrv5-sSrv7, cSrv.
func TestAllThatCanBeWritten(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		engine, _ := bed.IED("pv1", plant(t))
		c := bed.Associate("ems", "pv1", rbac.Engineer, rbac.Operator)
		written := 0
		for _, ln := range []string{"DGEN1", "MMXU1", "LLN0"} {
			refs := writables(t, engine, acsi.MustRef(pv+"/"+ln))
			before, err := c.GetDataValues(timeout(t), refs)
			if err != nil {
				t.Fatal(err)
			}
			all := make([]acsi.Assignment, len(refs))
			for i, ref := range refs {
				all[i] = acsi.Assignment{Ref: ref, Value: before[i].Value}
				errs, err := c.SetDataValues(timeout(t), all[i:i+1])
				if err != nil || errs[0] != nil {
					t.Errorf("write %v = %v: %v %v", ref, before[i].Value, errs, err)
				}
			}
			errs, err := c.SetDataValues(timeout(t), all)
			if err := errors.Join(append(errs, err)...); err != nil {
				t.Errorf("write all of %s: %v", ln, err)
			}
			after, err := c.GetDataValues(timeout(t), refs)
			if err != nil {
				t.Fatal(err)
			}
			for i := range refs {
				if !after[i].Value.Equal(before[i].Value) {
					t.Errorf("%v is %v, want %v", refs[i], after[i].Value, before[i].Value)
				}
			}
			written += len(refs)
		}
		if written < 50 {
			t.Errorf("%d attributes were written: too few", written)
		}
	})
}

// Names that are wrong, in whatever way, name nothing; over every carrier.
//
// Conformance: sSrvN1, cSrv.
func TestNamesThatNameNothing(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", plant(t))
		ems := bed.Party("ems", rbac.Engineer)
		c := ems.Associate("pv1")
		wrong := refs("PV1LD0/MMXU1.TotX[MX]", "PV1LD0/MMXU1.totw[MX]", "PV1LD0/mmxu1.TotW[MX]", "pv1ld0/MMXU1.TotW[MX]", "PV1LD0/MMXU9.TotW[MX]",
			"PV2LD0/MMXU1.TotW[MX]", "PV1LD0/MMXU1.TotW[ST]", "PV1LD0/MMXU1.TotW.mag.i[MX]", "PV1LD0/MMXU1.TotW(0)[MX]")
		results, err := c.GetDataValues(timeout(t), wrong)
		if err != nil {
			t.Fatal(err)
		}
		for i, ref := range wrong {
			if code := text(results[i].Err); code != "object-non-existent" && code != "object-access-denied" && code != "invalid-address" {
				t.Errorf("read %v: got %v", ref, results[i])
			}
			if errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: ref, Value: value.Int(1)}}); err != nil || errs[0] == nil {
				t.Errorf("write %v: got %v %v", ref, errs, err)
			}
			if n, err := c.GetDataDefinition(timeout(t), ref); err == nil {
				t.Errorf("definition of %v: got %v", ref, n)
			}
		}
		for _, ld := range []string{"PV2LD0", "pv1ld0"} {
			if names, err := c.GetLogicalDeviceDirectory(timeout(t), ld); err == nil {
				t.Errorf("directory of %s: got %v", ld, names)
			}
		}
		link, err := ems.Link("pv1")
		if err != nil {
			t.Fatal(err)
		}
		a, err := assoc.Initiate(timeout(t), link, assoc.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Abort()
		_, err = a.Call(timeout(t), &mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassNamedVariable},
			ObjectScope: mms.ScopeDomain(pv), ContinueAfter: "MMXU1$MX$Nothing"})
		if !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectNonExistent}) {
			t.Errorf("names after one that is not there: got %v", err)
		}
	})
}

// Values that do not fit what they are written to are refused, and change nothing; over every carrier.
//
// Conformance: sSrvN2-sSrvN4, cSrv.
func TestValuesThatAreRefused(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.NewIED("fdr1", testbed.IEDConfig{Model: testbed.Model(t, demo+"/feeder.cid")})
		c := bed.Associate("ems", "fdr1", rbac.Engineer, rbac.Operator)
		for _, tc := range []struct {
			ref  string
			v    value.Value
			want acsi.Code
		}{
			{"FDR1LD0/PTOC1.DirMod.setVal[SP]", value.Int(99), acsi.ObjectValueInvalid},
			{"FDR1LD0/PTOC1.DirMod.setVal[SP]", value.Bool(true), acsi.TypeInconsistent},
			{"FDR1LD0/MMXU1.TotW.d[DC]", value.Int(1), acsi.TypeInconsistent},
			{"FDR1LD0/MMXU1.TotW.mag.f[MX]", value.Float(1), acsi.ObjectAccessDenied},
			{"FDR1LD0/LLN0.Beh.stVal[ST]", value.Int(1), acsi.ObjectAccessDenied},
			{"FDR1LD0/CSWI1.Pos.ctlModel[CF]", value.Int(1), acsi.ObjectAccessDenied},
		} {
			ref := acsi.MustRef(tc.ref)
			before := read(t, c, ref)
			errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: ref, Value: tc.v}})
			if err != nil || !errors.Is(errs[0], &acsi.Error{Code: tc.want}) {
				t.Errorf("%v = %v: got %v %v, want %v", ref, tc.v, errs, err, tc.want)
			}
			if after := read(t, c, ref); !after.Equal(before) {
				t.Errorf("%v = %v: it is %v now", ref, tc.v, after)
			}
		}
	})
}
