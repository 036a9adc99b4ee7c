package iso81_test

import (
	"context"
	"crypto/x509"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/iso81"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	setting = acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]")
)

// pv is the model of the demo's photovoltaic plant.
func pv(t testing.TB) *acsi.Model {
	t.Helper()
	return testbed.Model(t, "../../app/demo/scl/pv.cid")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// site is one IED that is served over TCP, to clients that a test makes octet by octet, or as it likes.
type site struct {
	t           testing.TB
	model       *acsi.Model // nil: pv
	Audit       audit.Memory
	listen      net.Listener
	server      iso81.ServerConfig
	client      iso81.Config
	association assoc.Config
	ended       chan error // outcomes of associations
	links       *iso81.Listener
}

// mode is how the connections of a site are made.
type mode struct {
	name string
	tls  bool
}

// start serves a site until the test ends. Everybody is an engineer.
func start(t testing.TB, m mode, change ...func(*site)) *site {
	t.Helper()
	s := &site{t: t, ended: make(chan error, 1<<16)}
	s.server.Audit, s.client.Audit = &s.Audit, &s.Audit
	s.server.Subject = func(c iso81.Credentials) (rbac.Subject, error) {
		var policy *rbac.Policy
		return rbac.Subject{Name: c.RemoteAddr, Grants: []rbac.Grant{policy.NewGrant(rbac.Engineer, "")}}, nil
	}
	var err error
	s.listen, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	if m.tls {
		root, trust := authority(t)
		ied, err := root.IssueServer("pv1.test.example")
		must(t, err)
		client, err := root.IssueServer("ems.test.example")
		must(t, err)
		s.server.TLS = &iso81.TLS{Identity: ied, Trust: trust}
		s.client.TLS = &iso81.TLS{Identity: client, Trust: trust, ServerName: "pv1.test.example"}
	}
	for _, f := range change {
		f(s)
	}
	if s.model == nil {
		s.model = pv(t)
	}
	engine, err := server.New(server.Config{Model: s.model, Audit: &s.Audit})
	must(t, err)
	s.links, err = iso81.NewListener(s.listen, s.server)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		for {
			link, err := s.links.Accept(ctx)
			if err != nil {
				return
			}
			served.Go(func() {
				s.ended <- mmsmap.Serve(ctx, link, mmsmap.ServerConfig{Services: engine.Services, Association: s.association, Fault: func(err error) { t.Errorf("fault of ours: %v", err) }})
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		s.links.Close()
		served.Wait()
	})
	return s
}

func authority(t testing.TB) (*pki.CA, *pki.Trust) {
	t.Helper()
	root, err := pki.NewRoot(pki.E2M, "test.example")
	must(t, err)
	trust, err := pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil)
	must(t, err)
	return root, trust
}

// associate makes an association that ends with the test.
func (s *site) associate() *mmsmap.Client {
	s.t.Helper()
	c, err := s.try()
	must(s.t, err)
	s.t.Cleanup(c.Abort)
	return c
}

func (s *site) try() (*mmsmap.Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	link, err := iso81.Dial(ctx, s.listen.Addr().String(), s.client)
	if err != nil {
		return nil, err
	}
	return mmsmap.Associate(ctx, link, assoc.Config{})
}
