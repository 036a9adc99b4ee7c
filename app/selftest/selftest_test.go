package selftest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/acsi/server"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ied serves one of the demo's IEDs to an engineer who may operate; it ends with the test.
func ied(t *testing.T, file string) func(context.Context) (acsi.Services, error) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "demo", "scl", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := d.Model("", "")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	engine, err := server.New(server.Config{Model: m, Files: root})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		engine.Run(ctx)
		close(ran)
	}()
	t.Cleanup(func() {
		cancel()
		<-ran
		root.Close()
	})
	var subject rbac.Subject
	for _, role := range []rbac.Role{rbac.Engineer, rbac.Operator} {
		subject.Grants = append(subject.Grants, (*rbac.Policy)(nil).NewGrant(role, "*"))
	}
	return func(context.Context) (acsi.Services, error) { return engine.Services(subject), nil }
}

// outcomes runs all cases and gives the result of each.
func outcomes(t *testing.T, services acsi.Services, cfg Config) map[string]Result {
	t.Helper()
	results := map[string]Result{}
	for r := range Run(t.Context(), services, cfg) {
		if _, twice := results[r.Case]; twice {
			t.Errorf("%s is tried twice", r.Case)
		}
		results[r.Case] = r
	}
	return results
}

func TestOurIEDsPass(t *testing.T) {
	tried := map[string]bool{}
	for _, file := range []string{"pv.cid", "battery.cid", "feeder.cid"} {
		associate := ied(t, file)
		services, err := associate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for id, r := range outcomes(t, services, Config{Associate: associate, Write: true, Operate: true}) {
			if r.Outcome == Fail {
				t.Errorf("%s: %s", file, r)
			}
			tried[id] = tried[id] || r.Outcome == Pass
		}
		if err := services.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []string{"sSrv4", "sSrv6", "sDs2", "sDs3", "sDs7", "sRp1", "sRp4", "sBr4", "sRpN4", "sRpN5", "sCtlN1", "sSBOes2", "sSBOes1", "sDOes1", "sSg3", "sLog5", "sFt3", "sAss1"} {
		if !tried[id] {
			t.Errorf("%s passes on none of them", id)
		}
	}
}

// Without leave to write or operate nothing is changed.
func TestNothingIsChangedUnasked(t *testing.T) {
	services, err := ied(t, "feeder.cid")(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{Services: services}
	for id, r := range outcomes(t, w, Config{}) {
		if r.Outcome == Fail {
			t.Errorf("%s: %s", id, r)
		}
	}
	if len(w.changed) > 0 {
		t.Errorf("it has changed %s", strings.Join(w.changed, ", "))
	}
	if err := services.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// witness notes what was changed.
type witness struct {
	acsi.Services
	changed []string
}

func (w *witness) SetDataValues(ctx context.Context, as []acsi.Assignment) ([]error, error) {
	errs, err := w.Services.SetDataValues(ctx, as)
	for i, a := range as {
		if err == nil && errs[i] == nil && a.Ref.FC() != acsi.CO { // a selection that is cancelled changes nothing
			w.changed = append(w.changed, fmt.Sprint(a.Ref, "=", a.Value))
		}
	}
	return errs, err
}

func (w *witness) CreateDataSet(ctx context.Context, ref acsi.Ref, members []acsi.Ref) error {
	w.changed = append(w.changed, ref.String())
	return w.Services.CreateDataSet(ctx, ref, members)
}

// broken is an IED with one fault.
type broken struct {
	acsi.Services
	fault string
}

func (b *broken) GetServerDirectory(ctx context.Context) ([]string, error) {
	if b.fault == "no devices" {
		return nil, nil
	}
	return b.Services.GetServerDirectory(ctx)
}

func (b *broken) GetDataValues(ctx context.Context, refs []acsi.Ref) ([]acsi.Result, error) {
	results, err := b.Services.GetDataValues(ctx, refs)
	for i := range results {
		if b.fault == "answers everything" && results[i].Err != nil {
			results[i] = acsi.Result{Value: value.Bool(true)}
		}
	}
	return results, err
}

func (b *broken) GetAllDataValues(ctx context.Context, ln acsi.Ref) ([]acsi.DataValue, error) {
	values, err := b.Services.GetAllDataValues(ctx, ln)
	if b.fault == "another type" && len(values) > 0 {
		values[0].Result = acsi.Result{Value: value.Int(1)}
	}
	return values, err
}

func (b *broken) SetDataValues(ctx context.Context, as []acsi.Assignment) ([]error, error) {
	if b.fault == "writes everything" {
		return make([]error, len(as)), nil
	}
	return b.Services.SetDataValues(ctx, as)
}

func (b *broken) GetDataSetDirectory(ctx context.Context, ref acsi.Ref) (*acsi.DataSet, error) {
	set, err := b.Services.GetDataSetDirectory(ctx, ref)
	if err == nil && b.fault == "forgets members" && !set.Fixed {
		set = &acsi.DataSet{Ref: set.Ref, Members: set.Members[1:]}
	}
	return set, err
}

func (b *broken) DeleteDataSet(ctx context.Context, ref acsi.Ref) error {
	if b.fault == "link lost" {
		return fmt.Errorf("gone: %w", net.ErrClosed)
	}
	return b.Services.DeleteDataSet(ctx, ref)
}

func TestFaultsAreFound(t *testing.T) {
	associate := ied(t, "feeder.cid")
	for _, test := range []struct {
		fault string
		cases []string
	}{
		{"no devices", []string{"sSrv1"}},
		{"answers everything", []string{"sSrvN1"}},
		{"another type", []string{"sSrv4"}},
		{"writes everything", []string{"sSrvN3", "sSrvN4", "sCtlN1"}},
		{"forgets members", []string{"sDs2", "sDs3"}},
		{"link lost", []string{"sDsN1", "sDsN8", "sDs2"}},
	} {
		services, err := associate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		results := outcomes(t, &broken{services, test.fault}, Config{Write: true, Timeout: 300 * time.Millisecond})
		for _, id := range test.cases {
			if results[id].Outcome != Fail {
				t.Errorf("an IED that %s: %s", test.fault, results[id])
			}
		}
		if err := services.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A case on what the first have not found is skipped or fails; nothing panics on an IED that is gone.
func TestAnIEDThatIsGone(t *testing.T) {
	for _, r := range outcomes(t, gone{}, Config{Write: true, Operate: true}) {
		if r.Outcome == Pass {
			t.Errorf("%s", r)
		}
	}
}

type gone struct{ acsi.UnimplementedServices }

func (gone) GetServerDirectory(context.Context) ([]string, error) { return nil, errors.New("gone") }
