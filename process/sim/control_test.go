package sim

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

func is(t testing.TB, e *server.Engine, ref, want string) {
	t.Helper()
	v, err := e.Value(acsi.MustRef(ref))
	if err != nil || v.String() != want {
		t.Errorf("%s is %s (%v), want %s", ref, v, err, want)
	}
}

const (
	cswi = "FDR1LD0/CSWI1."
	xcbr = "FDR1LD0/XCBR1."
	cilo = "FDR1LD0/CILO1."
)

func move(phase server.Phase, on, interlock bool) server.Command {
	return server.Command{Ref: acsi.MustRef(cswi + "Pos"), CDC: "DPC", Phase: phase, Value: value.Bool(on), Interlock: interlock}
}

func TestBreakerTravels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := run(t, "feeder.cid", 1, noon)
		if got := s.Control(t.Context(), move(server.Operating, false, true)); got != acsi.Done {
			t.Fatalf("may not open: %s", got)
		}
		done := make(chan acsi.AddCause)
		go func() { done <- s.Control(t.Context(), move(server.Executing, false, true)) }()
		synctest.Wait()
		is(t, e, xcbr+"Pos.stVal[ST]", "bit-string 00")
		is(t, e, cswi+"Pos.stVal[ST]", "bit-string 00")
		is(t, e, cswi+"OpOpn.general[ST]", "true")
		began := time.Now()
		if got := <-done; got != acsi.Done {
			t.Errorf("opened: %s", got)
		}
		if took := time.Since(began); took != breakerTravel {
			t.Errorf("it took %v, want %v", took, breakerTravel)
		}
		is(t, e, xcbr+"Pos.stVal[ST]", "bit-string 01")
		is(t, e, cswi+"Pos.stVal[ST]", "bit-string 01")
		is(t, e, cswi+"OpOpn.general[ST]", "false")
		is(t, e, xcbr+"OpCnt.stVal[ST]", "integer 1185")
		is(t, e, cilo+"EnaCls.stVal[ST]", "true")
		is(t, e, cilo+"EnaOpn.stVal[ST]", "false")
		if err := s.Step(noon.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		is(t, e, "FDR1LD0/MMXU1.TotW.mag.f[MX]", "float32 0")
	})
}

func TestBreakerIsBlocked(t *testing.T) {
	for _, c := range []struct {
		name      string
		ref       string // true then; "": nothing
		on        bool
		interlock bool
		want      acsi.AddCause
	}{
		{"released", "", false, true, acsi.Done},
		{"not released", "", true, true, acsi.BlockedByInterlocking},
		{"not released, nor looked at", "", true, false, acsi.Done},
		{"opening blocked", xcbr + "BlkOpn.stVal[ST]", false, false, acsi.BlockedByProcess},
		{"closing blocked", xcbr + "BlkCls.stVal[ST]", true, false, acsi.BlockedByProcess},
		{"operated at the drive", xcbr + "Loc.stVal[ST]", false, false, acsi.BlockedBySwitchingHierarchy},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, s := run(t, "feeder.cid", 1, noon)
			if c.ref != "" {
				write(t, e, c.ref, value.Bool(true))
			}
			for _, phase := range []server.Phase{server.Selecting, server.Arming, server.Operating} {
				if got := s.Control(t.Context(), move(phase, c.on, c.interlock)); got != c.want {
					t.Errorf("%s: got %s, want %s", phase, got, c.want)
				}
			}
		})
	}
}

func TestBreakerThatIsTooSlowArrivesAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := run(t, "feeder.cid", 1, noon)
		ctx, cancel := context.WithTimeout(t.Context(), breakerTravel/2)
		defer cancel()
		if got := s.Control(ctx, move(server.Executing, false, false)); got != acsi.TimeLimitOver {
			t.Errorf("got %s", got)
		}
		is(t, e, xcbr+"Pos.stVal[ST]", "bit-string 01")
	})
}

func TestSetPointsAreFollowed(t *testing.T) {
	e, s := run(t, "pv.cid", 7, noon)
	write(t, e, "PV1LD0/DWMX1.Mod.stVal[ST]", value.Int(1))
	before := number(t, e, "PV1LD0/MMXU1.TotW.mag.f[MX]")
	order := server.Command{Ref: acsi.MustRef("PV1LD0/DWMX1.WMaxSpt"), CDC: "APC", Value: value.StructureOf(value.Float(3))}
	for _, phase := range []server.Phase{server.Operating, server.Executing} {
		order.Phase = phase
		if got := s.Control(t.Context(), order); got != acsi.Done {
			t.Fatalf("%s: %s", phase, got)
		}
	}
	if err := s.Step(noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if after := number(t, e, "PV1LD0/MMXU1.TotW.mag.f[MX]"); after > 3 || after < 2.9 || before < 4 {
		t.Errorf("power %v, then with the limit 3: %v", before, after)
	}
	order.Phase, order.Value = server.Operating, value.StructureOf(value.Float(float32(math.NaN())))
	if got := s.Control(t.Context(), order); got != acsi.InconsistentParameters {
		t.Errorf("no number: %s", got)
	}
}

func TestResetIsAPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := run(t, "feeder.cid", 1, noon)
		order := server.Command{Ref: acsi.MustRef("FDR1LD0/LLN0.LEDRs"), CDC: "SPC", Phase: server.Executing, Value: value.Bool(true)}
		done := make(chan acsi.AddCause)
		go func() { done <- s.Control(t.Context(), order) }()
		synctest.Wait()
		is(t, e, "FDR1LD0/LLN0.LEDRs.stVal[ST]", "true")
		if got := <-done; got != acsi.Done {
			t.Error(got)
		}
		is(t, e, "FDR1LD0/LLN0.LEDRs.stVal[ST]", "false")
	})
}

// changer is a simulation of one tap changer at 2, of 1 to 5.
func changer(t *testing.T, persistent bool) (*server.Engine, *Simulation) {
	t.Helper()
	leaf := func(name string, fc acsi.FC, k value.Kind, size int) *acsi.Node {
		return &acsi.Node{Name: name, Kind: acsi.DataAttributeNode, FC: fc, Type: acsi.Type{Kind: k, Size: size}}
	}
	below := func(name string, fc acsi.FC, parts ...*acsi.Node) *acsi.Node {
		return &acsi.Node{Name: name, Kind: acsi.DataAttributeNode, FC: fc, Children: parts}
	}
	do := &acsi.Node{Name: "TapChg", Kind: acsi.DataObjectNode, CDC: "BSC", Children: []*acsi.Node{
		below("Oper", acsi.CO, leaf("ctlVal", acsi.CO, value.BitString, -2)),
		below("valWTr", acsi.ST, leaf("posVal", acsi.ST, value.Integer, 8), leaf("transInd", acsi.ST, value.Boolean, 0)),
		leaf("q", acsi.ST, value.BitString, -13), leaf("t", acsi.ST, value.UTCTime, 0),
		leaf("minVal", acsi.CF, value.Integer, 8), leaf("maxVal", acsi.CF, value.Integer, 8), leaf("persistent", acsi.CF, value.Boolean, 0)}}
	ln := &acsi.Node{Name: "ATCC1", Kind: acsi.LogicalNodeNode, Class: "ATCC", Children: []*acsi.Node{do}}
	at := func(path string, v value.Value) acsi.InitialValue {
		return acsi.InitialValue{Ref: acsi.MustRef("T1LD0/ATCC1.TapChg." + path), Value: v}
	}
	m := &acsi.Model{LDs: []*acsi.LogicalDevice{{Name: "T1LD0", LNs: []*acsi.LogicalNode{{Node: ln, Values: []acsi.InitialValue{
		at("valWTr.posVal[ST]", value.Int(2)), at("minVal[CF]", value.Int(1)), at("maxVal[CF]", value.Int(5)), at("persistent[CF]", value.Bool(persistent))}}}}}}
	e, err := server.New(server.Config{Model: m})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	return e, s
}

func TestTapChangerMovesByStepsToItsLimit(t *testing.T) {
	const at = "T1LD0/ATCC1.TapChg."
	higher := server.Command{Ref: acsi.MustRef("T1LD0/ATCC1.TapChg"), CDC: "BSC", Phase: server.Executing, Value: value.Bits(2, []byte{0x80})}
	stop := higher
	stop.Value = value.Bits(2, nil)
	synctest.Test(t, func(t *testing.T) {
		e, s := changer(t, false)
		done := make(chan acsi.AddCause)
		for _, want := range []string{"integer 3", "integer 4", "integer 5"} {
			go func() { done <- s.Control(t.Context(), higher) }()
			synctest.Wait()
			is(t, e, at+"valWTr.transInd[ST]", "true")
			if got := <-done; got != acsi.Done {
				t.Error(got)
			}
			is(t, e, at+"valWTr.posVal[ST]", want)
			is(t, e, at+"valWTr.transInd[ST]", "false")
		}
		if got := s.Control(t.Context(), higher); got != acsi.StepLimit {
			t.Errorf("beyond the end: %s", got)
		}
		to := higher
		to.Value = value.Int(2)
		began := time.Now()
		if got := s.Control(t.Context(), to); got != acsi.Done || time.Since(began) != 3*stepTravel {
			t.Errorf("to a position: %s in %v", got, time.Since(began))
		}
		is(t, e, at+"valWTr.posVal[ST]", "integer 2")
		to.Value = value.Int(6)
		if got := s.Control(t.Context(), to); got != acsi.StepLimit {
			t.Errorf("to a position that it has not: %s", got)
		}
	})
	t.Run("persistent", func(t *testing.T) {
		e, s := changer(t, true)
		step := func(n int, want string) {
			t.Helper()
			if err := s.Step(noon.Add(time.Duration(n) * time.Second)); err != nil {
				t.Fatal(err)
			}
			is(t, e, at+"valWTr.posVal[ST]", want)
		}
		if got := s.Control(t.Context(), higher); got != acsi.Done {
			t.Fatal(got)
		}
		step(0, "integer 3")
		step(1, "integer 4")
		if got := s.Control(t.Context(), stop); got != acsi.Done {
			t.Fatal(got)
		}
		step(2, "integer 4")
		if got := s.Control(t.Context(), higher); got != acsi.Done {
			t.Fatal(got)
		}
		step(3, "integer 5")
		step(4, "integer 5")
		is(t, e, at+"valWTr.transInd[ST]", "false")
	})
}
