package xmpp82_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// percentiles reports the median and the 99th percentile of what a loop took, in microseconds.
func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100])/1e3, "p99-µs")
}

// BenchmarkSecuredRead reads one float from an IED through the broker, over TLS and E2E. The reference in
// the same run, tls-echo, is 1,000 octets to and fro over one hop of mutual TLS 1.3.
func BenchmarkSecuredRead(b *testing.B) {
	ref := acsi.MustRef("PV1LD0/MMXU1.TotW.mag.f[MX]")
	b.Run("sequential", func(b *testing.B) {
		bed := testbed.Start(b, testbed.Options{})
		bed.IED("pv1", pv(b))
		c := bed.Associate("ems", "pv1", rbac.Viewer)
		took := make([]time.Duration, 0, b.N)
		b.ReportAllocs()
		cpu := cpuTime()
		defer func() { b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op") }()
		for b.Loop() {
			start := time.Now()
			if got, err := c.GetDataValues(context.Background(), []acsi.Ref{ref}); err != nil || got[0].Err != nil {
				b.Fatal(got, err)
			}
			took = append(took, time.Since(start))
		}
		percentiles(b, took)
	})
	b.Run("outstanding-16", func(b *testing.B) {
		bed := testbed.Start(b, testbed.Options{})
		bed.IED("pv1", pv(b))
		c := bed.Associate("ems", "pv1", rbac.Viewer)
		b.ReportAllocs()
		var readers sync.WaitGroup
		each := b.N/16 + 1
		b.ResetTimer()
		cpu := cpuTime()
		for range 16 {
			readers.Go(func() {
				for range each {
					if got, err := c.GetDataValues(context.Background(), []acsi.Ref{ref}); err != nil || got[0].Err != nil {
						b.Error(got, err)
						return
					}
				}
			})
		}
		readers.Wait()
		b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
	})
	b.Run("tls-echo", echo)
}

// echo measures a bare mutual TLS 1.3 echo of 1,000 octets.
func echo(b *testing.B) {
	ca, err := pki.NewRoot(pki.E2M, "echo")
	if err != nil {
		b.Fatal(err)
	}
	server, err := ca.IssueServer("echo.example")
	if err != nil {
		b.Fatal(err)
	}
	client, err := ca.IssueClientTLS("echo@echo.example")
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{server.TLSCertificate()},
		ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		io.Copy(conn, conn)
	}()
	conn, err := new(net.Dialer).Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	secured := tls.Client(conn, &tls.Config{Certificates: []tls.Certificate{client.TLSCertificate()}, RootCAs: roots,
		ServerName: "echo.example", MinVersion: tls.VersionTLS13})
	defer secured.Close()
	buf := make([]byte, 1000)
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		start := time.Now()
		if _, err := secured.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(secured, buf); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	percentiles(b, took)
}

// BenchmarkAssociate makes and releases an association, once on a session that stands and once with a
// session of its own: TCP, STARTTLS, EXTERNAL, bind, handshake, initiate.
func BenchmarkAssociate(b *testing.B) {
	b.Run("session-stands", func(b *testing.B) {
		bed := testbed.Start(b, testbed.Options{})
		bed.IED("pv1", pv(b))
		e := bed.Dial(bed.Config("ems", rbac.Viewer))
		associate(b, func() func() {
			c := bed.AssociateOn(e, "pv1")
			return func() { release(b, c.Release) }
		})
	})
	b.Run("from-TCP", func(b *testing.B) {
		bed := testbed.Start(b, testbed.Options{})
		bed.IED("pv1", pv(b))
		cfg := bed.Config("ems", rbac.Viewer)
		n := 0
		associate(b, func() func() {
			n++ // as commands do: a resource of its own each time, for association ids are not used again at once
			cfg.XMPP.JID = resource(b, cfg.XMPP.JID, fmt.Sprintf("IEC-%d", n))
			e := bed.Dial(cfg)
			c := bed.AssociateOn(e, "pv1")
			return func() { release(b, c.Release); e.Close() }
		})
	})
}

func resource(b *testing.B, j jid.JID, name string) jid.JID {
	j, err := j.WithResource(name)
	if err != nil {
		b.Fatal(err)
	}
	return j
}

// associate times establish alone; what it returns is run outside of the time.
func associate(b *testing.B, establish func() func()) {
	took := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		undo := establish()
		took = append(took, time.Since(start))
		b.StopTimer()
		undo()
		b.StartTimer()
	}
	percentiles(b, took)
}

func release(b *testing.B, release func(context.Context) error) {
	if err := release(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// cpuTime is what this process has used so far, user and system. Of a benchmark with everything in one process it tells
// more than the time on a wall that other processes lean on.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
