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
	"busbar.example/value"
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
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// site is one IED that is served over TCP, or over memory.
type site struct {
	t           testing.TB
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
	name   string
	memory bool
	tls    bool
}

var modes = []mode{{name: "plain/loopback"}, {name: "plain/memory", memory: true}, {name: "tls/loopback", tls: true}, {name: "tls/memory", memory: true, tls: true}}

func eachMode(t *testing.T, test func(t *testing.T, m mode)) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { test(t, m) })
	}
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
	if m.memory {
		memory := testbed.NewListener()
		s.listen = memory
		s.client.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return memory.Dial(ctx) }
	} else {
		var err error
		s.listen, err = net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
	}
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
	engine, err := server.New(server.Config{Model: pv(t), Audit: &s.Audit})
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
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	link, err := iso81.Dial(ctx, s.listen.Addr().String(), s.client)
	if err != nil {
		return nil, err
	}
	return mmsmap.Associate(ctx, link, assoc.Config{})
}

// read reads one value that must be there.
func read(t testing.TB, c *mmsmap.Client, ref acsi.Ref) value.Value {
	t.Helper()
	got, err := c.GetDataValues(timeout(t), []acsi.Ref{ref})
	if err != nil || got[0].Err != nil {
		t.Fatalf("read %v: %v %v", ref, got, err)
	}
	return got[0].Value
}

func TestReadAndWriteOverTCP(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		s := start(t, m)
		c := s.associate()
		errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: setting, Value: value.Float(80)}})
		if err != nil || errs[0] != nil {
			t.Fatalf("write: %v %v", errs, err)
		}
		if got := read(t, c, setting); !got.Equal(value.Float(80)) {
			t.Errorf("read back %v, want 80", got)
		}
		if err := c.Release(timeout(t)); err != nil {
			t.Errorf("release: %v", err)
		}
		if err := <-s.ended; err != nil {
			t.Errorf("the IED says that the association ended with %v", err)
		}
	})
}
