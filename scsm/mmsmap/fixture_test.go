package mmsmap_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// demo is the folder of the models that others rely on.
var demo = filepath.Join("..", "..", "app", "demo", "scl")

// models are those of all IEDs in a file that have a server.
func models(t testing.TB, file string) map[string]*acsi.Model {
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
	found := make(map[string]*acsi.Model)
	for _, ied := range d.IEDs() {
		for _, ap := range ied.AccessPoints {
			if !ap.Server {
				continue
			}
			m, _, err := d.Model(ied.Name, ap.Name)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			found[ied.Name+"-"+ap.Name] = m
		}
	}
	return found
}

// engine serves the only model of a file in the demo folder.
func engine(t testing.TB, file string) *server.Engine {
	t.Helper()
	for _, m := range models(t, filepath.Join(demo, file)) {
		e, err := server.New(server.Config{Model: m})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	t.Fatalf("%s has no model", file)
	return nil
}

// subject has the given roles for every logical device.
func subject(roles ...rbac.Role) rbac.Subject {
	s := rbac.Subject{Name: "ann@test.example", Address: "ann@test.example/IEC"}
	for _, role := range roles {
		s.Grants = append(s.Grants, (*rbac.Policy)(nil).NewGrant(role, ""))
	}
	return s
}

// everyRole is the roles that together may do everything.
func everyRole() rbac.Subject {
	return subject(rbac.Viewer, rbac.Operator, rbac.Engineer, rbac.Installer, rbac.SECADM)
}

// wired is one association in memory.
type wired struct {
	*mmsmap.Client
	rude   bool         // the peer may break the protocol
	cfg    assoc.Config // of the server
	mu     sync.Mutex
	faults []error // what the server kept to itself
}

// Faults are what the server has kept to itself until now.
func (w *wired) Faults() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]error(nil), w.faults...)
}

// connect associates as who with services, which end with the test.
func connect(t testing.TB, services func(rbac.Subject) acsi.Services, who rbac.Subject, cfg assoc.Config) *wired {
	t.Helper()
	w := &wired{cfg: assoc.Config{Services: cfg.Services}}
	near, far := testbed.Pipe(who, rbac.Subject{Name: "ied@test.example"})
	w.serve(t, far, services)
	c, err := mmsmap.Associate(t.Context(), near, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Abort)
	w.Client = c
	return w
}

// serve answers on link until the test ends.
func (w *wired) serve(t testing.TB, link assoc.Link, services func(rbac.Subject) acsi.Services) {
	served := make(chan error, 1)
	go func() {
		served <- mmsmap.Serve(t.Context(), link, mmsmap.ServerConfig{Services: services, Association: w.cfg, Fault: func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.faults = append(w.faults, err)
		}})
	}()
	t.Cleanup(func() {
		link.Close()
		if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) && !w.rude {
			t.Errorf("the server ended with: %v", err)
		}
	})
}

// rawly associates without the client side of the mapping: as a peer that may ask for anything.
func rawly(t testing.TB, services func(rbac.Subject) acsi.Services, who rbac.Subject) (*assoc.Association, *wired) {
	t.Helper()
	return rawlyWith(t, services, who, assoc.Config{})
}

func rawlyWith(t testing.TB, services func(rbac.Subject) acsi.Services, who rbac.Subject, cfg assoc.Config) (*assoc.Association, *wired) {
	t.Helper()
	w := &wired{}
	near, far := testbed.Pipe(who, rbac.Subject{Name: "ied@test.example"})
	w.serve(t, far, services)
	a, err := assoc.Initiate(t.Context(), near, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Abort)
	return a, w
}

// against associates a client with a server that answers with handle, whatever that does.
func against(t testing.TB, handle assoc.Handler) *mmsmap.Client {
	t.Helper()
	return tolerantly(t, mmsmap.Lenient{}, handle)
}

// withServer is against, with the server's end.
func withServer(t testing.TB, handle assoc.Handler) (*mmsmap.Client, *assoc.Association) {
	t.Helper()
	return tolerantlyWith(t, mmsmap.Lenient{}, handle)
}

// tolerantly is against with a client that takes what lenient allows.
func tolerantly(t testing.TB, lenient mmsmap.Lenient, handle assoc.Handler) *mmsmap.Client {
	t.Helper()
	c, _ := tolerantlyWith(t, lenient, handle)
	return c
}

func tolerantlyWith(t testing.TB, lenient mmsmap.Lenient, handle assoc.Handler) (*mmsmap.Client, *assoc.Association) {
	t.Helper()
	near, far := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
	accepted := make(chan error, 1)
	var s *assoc.Association
	go func() {
		var err error
		s, err = assoc.Accept(t.Context(), far, assoc.Config{}, func(*assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
			return handle, mms.Services(mms.ServiceRead, mms.ServiceWrite, mms.ServiceGetNameList, mms.ServiceGetVariableAccessAttributes), nil
		})
		accepted <- err
	}()
	c, err := lenient.Associate(t.Context(), near, assoc.Config{})
	if err := errors.Join(err, <-accepted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Abort(); s.Abort() })
	return c, s
}

// named is a variable of a logical device, or with access a part of it.
func named(ld, item string, access ...mms.AlternateAccessSelection) mms.Variable {
	v := mms.Variable{VariableSpecification: mms.VariableName{Name: mms.DomainSpecific{DomainID: ld, ItemID: item}}}
	for _, a := range access {
		v.AlternateAccess = append(v.AlternateAccess, mms.UnnamedAccess{Selection: a})
	}
	return v
}

// ask sends a request whose answer is of type R.
func ask[R mms.ConfirmedServiceResponse](t testing.TB, a *assoc.Association, request mms.ConfirmedServiceRequest) (R, error) {
	t.Helper()
	response, err := a.Call(t.Context(), request)
	if err != nil {
		var none R
		return none, err
	}
	return response.(R), nil
}

// stub is services of which a test gives some.
type stub struct {
	acsi.UnimplementedServices
	lds        func() ([]string, error)
	lns        func(ld string) ([]string, error)
	definition func(acsi.Ref) (*acsi.Node, error)
	get        func([]acsi.Ref) ([]acsi.Result, error)
	set        func([]acsi.Assignment) ([]error, error)
}

func (s stub) services(rbac.Subject) acsi.Services { return s }

func (s stub) GetServerDirectory(context.Context) ([]string, error) { return s.lds() }

func (s stub) GetLogicalDeviceDirectory(_ context.Context, ld string) ([]string, error) {
	return s.lns(ld)
}

func (s stub) GetDataDefinition(_ context.Context, ref acsi.Ref) (*acsi.Node, error) {
	return s.definition(ref)
}

func (s stub) GetDataValues(_ context.Context, refs []acsi.Ref) ([]acsi.Result, error) {
	return s.get(refs)
}

func (s stub) SetDataValues(_ context.Context, assignments []acsi.Assignment) ([]error, error) {
	return s.set(assignments)
}
