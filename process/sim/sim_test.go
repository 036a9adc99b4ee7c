package sim

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// noon is at the equator on the meridian of Greenwich, where the sun is high then.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func demo(name string) string { return filepath.Join("..", "..", "app", "demo", "scl", name) }

// engines are those of all servers in a file.
func engines(t testing.TB, file string) []*server.Engine {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	var list []*server.Engine
	for _, ied := range d.IEDs() {
		for _, ap := range ied.AccessPoints {
			if !ap.Server {
				continue
			}
			m, _, err := d.Model(ied.Name, ap.Name)
			if err != nil {
				t.Fatal(err)
			}
			e, err := server.New(server.Config{Model: m, Now: func() time.Time { return noon }})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, e)
		}
	}
	return list
}

// run is a simulation of one demo model that has made its first step at start.
func run(t *testing.T, name string, seed uint64, start time.Time) (*server.Engine, *Simulation) {
	t.Helper()
	e := engines(t, demo(name))[0]
	s, err := New(Config{Engine: e, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Next().IsZero() {
		t.Errorf("the first step is due at %v, want at once", s.Next())
	}
	step(t, s, start)
	if got := s.Next(); !got.Equal(start.Add(time.Second)) {
		t.Errorf("the next step is due at %v, want a second after %v", got, start)
	}
	return e, s
}

func step(t *testing.T, s *Simulation, at time.Time) {
	t.Helper()
	if err := s.Step(at); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, e *server.Engine, ref string) float64 {
	t.Helper()
	v, err := e.Value(acsi.MustRef(ref))
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := v.Float(); ok {
		return f
	}
	i, ok := v.Int()
	if !ok {
		t.Fatalf("%s is %v, no number", ref, v)
	}
	return float64(i)
}

func write(t *testing.T, e *server.Engine, ref string, v value.Value) {
	t.Helper()
	h, err := e.Handle(acsi.MustRef(ref))
	if err != nil {
		t.Fatal(err)
	}
	e.Update(func(tx *server.Tx) { err = tx.Set(h, v) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestSolarPlantFollowsTheSun(t *testing.T) {
	e, s := run(t, "pv.cid", 1, noon.Add(-12*time.Hour))
	const watts = "PV1LD0/MMXU1.TotW.mag.f[MX]"
	if got := number(t, e, watts); got != 0 {
		t.Errorf("at midnight: %v kW, want 0", got)
	}
	var best float64
	for at := noon.Add(-2 * time.Hour); at.Before(noon.Add(2 * time.Hour)); at = at.Add(time.Minute) {
		step(t, s, at)
		best = max(best, number(t, e, watts))
	}
	if best < 70 || best > 100 {
		t.Errorf("best around noon: %v kW, want 70 to 100 of a plant of 100 kW", best)
	}
	if got := number(t, e, "PV1LD0/MMET1.HorInsol.mag.f[MX]"); got < 200 || got > 1100 {
		t.Errorf("irradiance: %v W/m²", got)
	}
	va, w, vAr := number(t, e, "PV1LD0/MMXU1.TotVA.mag.f[MX]"), number(t, e, watts), number(t, e, "PV1LD0/MMXU1.TotVAr.mag.f[MX]")
	if math.Abs(va-math.Hypot(w, vAr)) > 0.001*va {
		t.Errorf("apparent power %v does not follow from %v and %v", va, w, vAr)
	}
	u, a := number(t, e, "PV1LD0/MMXU1.PhV.phsA.cVal.mag.f[MX]"), number(t, e, "PV1LD0/MMXU1.A.phsA.cVal.mag.f[MX]")
	if math.Abs(3*u*a/1000-va) > 0.05*va {
		t.Errorf("%v V and %v A a phase do not make %v kVA", u, a, va)
	}
	if hz := number(t, e, "PV1LD0/MMXU1.Hz.mag.f[MX]"); hz < 49.9 || hz > 50.1 {
		t.Errorf("frequency: %v Hz", hz)
	}
}

func TestLimitsHoldFromTheNextStepOn(t *testing.T) {
	const watts, on, off = "PV1LD0/MMXU1.TotW.mag.f[MX]", 1, 5
	for _, tc := range []struct {
		name    string
		set     func(e *server.Engine)
		atMost  float64
		atLeast float64
	}{
		{"configured limit", func(e *server.Engine) { write(t, e, "PV1LD0/DGEN1.WMax.setMag.f[SP]", value.Float(20)) }, 20, 19},
		{"no power", func(e *server.Engine) { write(t, e, "PV1LD0/DGEN1.WMax.setMag.f[SP]", value.Float(0)) }, 0, 0},
		{"less than none", func(e *server.Engine) { write(t, e, "PV1LD0/DGEN1.WMax.setMag.f[SP]", value.Float(-5)) }, 0, 0},
		{"function that is on", func(e *server.Engine) {
			write(t, e, "PV1LD0/DWMX1.Beh.stVal[ST]", value.Int(on))
			write(t, e, "PV1LD0/DWMX1.WMaxSpt.mxVal.f[MX]", value.Float(12))
		}, 12, 11},
		{"percent", func(e *server.Engine) {
			write(t, e, "PV1LD0/DWMX1.Beh.stVal[ST]", value.Int(on))
			write(t, e, "PV1LD0/DWMX1.WMaxSptPct.mxVal.f[MX]", value.Float(25))
		}, 25, 24},
		{"function that is off", func(e *server.Engine) {
			write(t, e, "PV1LD0/DWMX1.Beh.stVal[ST]", value.Int(off))
			write(t, e, "PV1LD0/DWMX1.WMaxSpt.mxVal.f[MX]", value.Float(12))
		}, 100, 30},
		{"nonsense is no limit", func(e *server.Engine) {
			write(t, e, "PV1LD0/DGEN1.WMax.setMag.f[SP]", value.Float(float32(math.NaN())))
		}, 100, 30},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, s := run(t, "pv.cid", 1, noon)
			if before := number(t, e, watts); before < 30 {
				t.Fatalf("without a limit: %v kW, want a bright noon", before)
			}
			tc.set(e)
			step(t, s, noon.Add(time.Second))
			if got := number(t, e, watts); got > tc.atMost || got < tc.atLeast {
				t.Errorf("got %v kW, want %v to %v", got, tc.atLeast, tc.atMost)
			}
		})
	}
}

func TestBatteryEnergyFollowsItsPower(t *testing.T) {
	e, s := run(t, "battery.cid", 1, noon)
	const stored = "BAT1LD0/DSTO1.EffWh.mag.f[MX]"
	before, supplied := number(t, e, stored), number(t, e, "BAT1LD0/MMTR1.SupWh.actVal[ST]")
	write(t, e, "BAT1LD0/DAGC1.WSpt.mxVal.f[MX]", value.Float(40))
	for i := range 60 {
		step(t, s, noon.Add(time.Duration(i+1)*time.Minute))
	}
	if got := number(t, e, "BAT1LD0/MMXU1.TotW.mag.f[MX]"); got < 39 || got > 40 {
		t.Errorf("power: %v kW, want the set point of 40", got)
	}
	if got := before - number(t, e, stored); math.Abs(got-40/oneWay) > 1 {
		t.Errorf("an hour at 40 kW took %v kWh, want %v", got, 40/oneWay)
	}
	if got := number(t, e, "BAT1LD0/MMTR1.SupWh.actVal[ST]") - supplied; math.Abs(got-40) > 1 {
		t.Errorf("supplied %v kWh, want 40", got)
	}
	for i := range 600 {
		step(t, s, noon.Add(time.Hour+time.Duration(i)*time.Minute))
	}
	if got := number(t, e, "BAT1LD0/DSTO1.EffWhPct.mag.f[MX]"); got < 10 || got > 11 {
		t.Errorf("state of charge after hours: %v %%, want the reserve of 10", got)
	}
	if got := number(t, e, "BAT1LD0/MMXU1.TotW.mag.f[MX]"); got != 0 {
		t.Errorf("power of the empty battery: %v kW, want 0", got)
	}
	write(t, e, "BAT1LD0/DAGC1.WSpt.mxVal.f[MX]", value.Float(-100))
	step(t, s, noon.Add(20*time.Hour))
	if got := number(t, e, "BAT1LD0/MMXU1.TotW.mag.f[MX]"); got > -79 || got < -80 {
		t.Errorf("charging: %v kW, want the limit of -80", got)
	}
}

func TestFeederStandsStillWithItsBreakerOpen(t *testing.T) {
	e, s := run(t, "feeder.cid", 1, noon)
	const watts = "FDR1LD0/MMXU1.TotW.mag.f[MX]"
	if got := number(t, e, watts); got < 1500 || got > 4700 {
		t.Errorf("load: %v kW, want about the model's 3120", got)
	}
	demanded := number(t, e, "FDR1LD0/MMTR1.DmdWh.actVal[ST]")
	step(t, s, noon.Add(10*time.Minute))
	if got := number(t, e, "FDR1LD0/MMTR1.DmdWh.actVal[ST]") - demanded; got < 200 || got > 900 {
		t.Errorf("ten minutes demanded %v kWh", got)
	}
	write(t, e, "FDR1LD0/XCBR1.Pos.stVal[ST]", value.Bits(2, []byte{0x40}))
	step(t, s, noon.Add(11*time.Minute))
	if got := number(t, e, watts); got != 0 {
		t.Errorf("with the breaker open: %v kW", got)
	}
	if got := number(t, e, "FDR1LD0/MMXU1.PPV.phsAB.cVal.mag.f[MX]"); got < 19 || got > 21 {
		t.Errorf("voltage with the breaker open: %v kV, want about 20", got)
	}
}

// everything is the value of each logical node of an engine under ST and MX.
func everything(t *testing.T, e *server.Engine) []value.Value {
	t.Helper()
	var all []value.Value
	for _, ld := range e.Model().LDs {
		for _, ln := range ld.LNs {
			for _, fc := range []acsi.FC{acsi.ST, acsi.MX} {
				ref, err := acsi.NewRef(ld.Name, ln.Node.Name, fc)
				if err != nil {
					t.Fatal(err)
				}
				if v, err := e.Value(ref); err == nil {
					all = append(all, v)
				}
			}
		}
	}
	return all
}

func TestSameSeedAndTimesGiveSameValues(t *testing.T) {
	for _, name := range []string{"pv.cid", "battery.cid", "feeder.cid"} {
		t.Run(name, func(t *testing.T) {
			history := func(seed uint64) []value.Value {
				e, s := run(t, name, seed, noon)
				for i := range 20 {
					step(t, s, noon.Add(time.Duration(i)*7*time.Second))
				}
				return everything(t, e)
			}
			a, b, other := value.ArrayOf(history(7)...), value.ArrayOf(history(7)...), value.ArrayOf(history(8)...)
			if !a.Equal(b) {
				t.Error("the same seed gives other values")
			}
			if a.Equal(other) {
				t.Error("another seed gives the same values")
			}
		})
	}
}

func TestEveryModelRunsAndKnowsItsQuality(t *testing.T) {
	dir := os.Getenv("BUSBAR_SCL")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "scl")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.?[ci]d"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Logf("no SCL files in %s: set BUSBAR_SCL to a folder of them", dir)
	}
	for _, file := range append(files, demo("site.scd")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, e := range engines(t, file) {
				s, err := New(Config{Engine: e, Seed: 1})
				if err != nil {
					t.Fatal(err)
				}
				switchOn(t, e)
				step(t, s, noon)
				before := value.ArrayOf(everything(t, e)...)
				step(t, s, noon.Add(time.Minute))
				step(t, s, noon) // a clock that is set back
				for _, v := range everything(t, e) {
					noneInvalid(t, e.Model().IED, v)
				}
				if before.Len() == 0 {
					t.Errorf("%s: no values", e.Model().IED)
				}
			}
		})
	}
}

// switchOn brings every logical node to life: the values of one that is off are invalid.
func switchOn(t *testing.T, e *server.Engine) {
	t.Helper()
	for _, ld := range e.Model().LDs {
		for _, ln := range ld.LNs {
			mod := ld.Name + "/" + ln.Node.Name + ".Mod.stVal[ST]"
			if _, err := e.Value(acsi.MustRef(mod)); err == nil {
				write(t, e, mod, value.Int(1))
			}
		}
	}
}

func noneInvalid(t *testing.T, ied string, v value.Value) {
	if q, ok := acsi.QualityOf(v); ok && q == acsi.QualityInvalid {
		t.Errorf("%s: a quality is invalid still", ied)
	}
	if f, ok := v.Float(); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		t.Errorf("%s: %v", ied, f)
	}
	for i := range v.Len() {
		noneInvalid(t, ied, v.At(i))
	}
}

func TestCounterRollsOverInItsType(t *testing.T) {
	e := engines(t, demo("feeder.cid"))[0]
	write(t, e, "FDR1LD0/MMTR1.DmdWh.actVal[ST]", value.Int(math.MaxInt64))
	s, err := New(Config{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	step(t, s, noon)
	step(t, s, noon.Add(10*time.Minute))
	if got := number(t, e, "FDR1LD0/MMTR1.DmdWh.actVal[ST]"); got < 0 || got > 1e6 {
		t.Errorf("got %v, want the counter to begin anew", got)
	}
}

func TestSunIsUpByDayAndHigherInSummer(t *testing.T) {
	const north, east = 52, 5
	summer := time.Date(2026, 6, 21, 11, 40, 0, 0, time.UTC)
	winter := time.Date(2026, 12, 21, 11, 40, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		at   time.Time
		want float64 // degrees
	}{
		"summer noon":     {summer, 61.4},
		"winter noon":     {winter, 14.6},
		"summer midnight": {summer.Add(12 * time.Hour), -14.6},
	} {
		if got := math.Asin(sunHeight(tc.at, north, east)) * 180 / math.Pi; math.Abs(got-tc.want) > 1 {
			t.Errorf("%s: the sun stands at %.1f°, want %.1f°", name, got, tc.want)
		}
	}
	if clearSky(-0.1) != 0 || clearSky(1) < 900 || clearSky(1) > 1100 {
		t.Errorf("clear sky: %v %v", clearSky(-0.1), clearSky(1))
	}
}

func TestNoiseIsBoundedAndSmooth(t *testing.T) {
	last := noise(1, noon, time.Minute)
	var low, high float64
	for i := range 100_000 {
		x := noise(1, noon.Add(time.Duration(i)*100*time.Millisecond), time.Minute)
		if math.Abs(x) > 1 || math.Abs(x-last) > 0.01 {
			t.Fatalf("step %d: %v after %v", i, x, last)
		}
		last, low, high = x, min(low, x), max(high, x)
	}
	if low > -0.8 || high < 0.8 {
		t.Errorf("it moves between %v and %v only", low, high)
	}
}

func BenchmarkStep(b *testing.B) {
	e := engines(b, demo("pv.cid"))[0]
	s, err := New(Config{Engine: e})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := s.Step(noon.Add(time.Duration(i) * time.Second)); err != nil {
			b.Fatal(err)
		}
	}
}
