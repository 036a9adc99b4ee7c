package iso81_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/scsm/iso81"
	"busbar.example/scsm/mmsmap"
)

var power = acsi.MustRef("PV1LD0/MMXU1.TotW.mag.f[MX]")

// percentiles reports the median and the 99th percentile of what a loop took, in microseconds.
func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100])/1e3, "p99-µs")
}

// BenchmarkRead reads one float from an IED over loopback. The reference in the same run is BenchmarkEcho.
func BenchmarkRead(b *testing.B) {
	plain, secured := mode{}, mode{tls: true}
	b.Run("sequential", func(b *testing.B) { sequential(b, start(b, plain).associate()) })
	b.Run("outstanding-16", func(b *testing.B) { parallel(b, slices.Repeat([]*mmsmap.Client{start(b, plain).associate()}, 16)) })
	b.Run("connections-100", func(b *testing.B) {
		s := start(b, plain)
		parallel(b, s.many(100))
	})
	b.Run("beside-1000-idle", func(b *testing.B) {
		s := start(b, plain, func(s *site) { s.server.Connections = 2000 })
		s.many(1000)
		sequential(b, s.associate())
	})
	b.Run("tls", func(b *testing.B) { sequential(b, start(b, secured).associate()) })
	b.Run("tls-outstanding-16", func(b *testing.B) { parallel(b, slices.Repeat([]*mmsmap.Client{start(b, secured).associate()}, 16)) })
}

// many makes n associations.
func (s *site) many(n int) []*mmsmap.Client {
	s.t.Helper()
	clients := make([]*mmsmap.Client, n)
	for i := range clients {
		clients[i] = s.associate()
	}
	return clients
}

func sequential(b *testing.B, c *mmsmap.Client) {
	took := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		readOnce(b, c)
		took = append(took, time.Since(begin))
	}
	percentiles(b, took)
}

// parallel reads on all clients at the same time, b.N times together.
func parallel(b *testing.B, clients []*mmsmap.Client) {
	b.ReportAllocs()
	var readers sync.WaitGroup
	each := b.N/len(clients) + 1
	b.ResetTimer()
	for _, c := range clients {
		readers.Go(func() {
			for range each {
				readOnce(b, c)
			}
		})
	}
	readers.Wait()
}

func readOnce(b *testing.B, c *mmsmap.Client) {
	if got, err := c.GetDataValues(context.Background(), []acsi.Ref{power}); err != nil || got[0].Err != nil {
		b.Error(got, err)
	}
}

// BenchmarkEcho is 100 octets to and fro on one bare TCP connection.
func BenchmarkEcho(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf := make([]byte, 100)
		for {
			if _, err := io.ReadFull(conn, buf); err != nil {
				return
			}
			if _, err := conn.Write(buf); err != nil {
				return
			}
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	must(b, err)
	defer conn.Close()
	buf := make([]byte, 100)
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		begin := time.Now()
		if _, err := conn.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	percentiles(b, took)
}

// BenchmarkAssociate makes an association, from TCP to MMS. Its release is outside of the time.
func BenchmarkAssociate(b *testing.B) {
	for _, m := range []mode{{name: "plain"}, {name: "tls", tls: true}} {
		b.Run(m.name, func(b *testing.B) {
			s := start(b, m)
			took := make([]time.Duration, 0, b.N)
			b.ReportAllocs()
			for b.Loop() {
				begin := time.Now()
				c, err := s.try()
				took = append(took, time.Since(begin))
				b.StopTimer()
				must(b, err)
				must(b, c.Release(context.Background()))
				b.StartTimer()
			}
			percentiles(b, took)
		})
	}
}

// BenchmarkIdle reports the memory of an idle association, both ends together.
func BenchmarkIdle(b *testing.B) {
	const n = 1000
	for b.Loop() {
		s := start(b, mode{}, func(s *site) { s.server.Connections = n })
		before := inUse()
		clients := s.many(n)
		b.ReportMetric(float64(inUse()-before)/n, "B/association")
		for _, c := range clients {
			c.Abort()
		}
	}
}

// inUse is the memory of heap and stacks.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

var _ = iso81.Port
