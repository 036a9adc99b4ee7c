package clock

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"busbar.example/acsi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the time servers of a test, and what they say. In a bubble of synctest it has no network.
type world struct {
	mu      sync.Mutex
	servers map[string]*says
}

// says is what one server does with a question.
type says struct {
	ahead   time.Duration // of the host's clock
	silent  bool
	kiss    string
	leap    byte
	stratum byte
	root    time.Duration
	forged  func(answer []byte) [][]byte // what is sent in place of the answer
	asked   []time.Time
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) questions(address string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.servers[address].asked)
}

// dial connects to a server through memory.
func (w *world) dial(_ context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.servers[address] == nil || network != "udp" {
		return nil, errors.New("no such server")
	}
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		b := make([]byte, 100)
		n, err := server.Read(b)
		if err != nil {
			return
		}
		for _, packet := range w.answer(address, b[:n]) {
			if _, err := server.Write(packet); err != nil {
				return
			}
		}
		server.Read(b) // until the client has gone
	}()
	return client, nil
}

// answer is what the server at address sends for a request.
func (w *world) answer(address string, request []byte) [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.servers[address]
	s.asked = append(s.asked, time.Now())
	if s.silent || len(request) != packetSize || request[0] != 4<<3|3 {
		return nil
	}
	b := make([]byte, packetSize)
	b[0] = s.leap<<6 | 4<<3 | 4
	if b[1] = s.stratum; b[1] == 0 && s.kiss == "" {
		b[1] = 1
	}
	copy(b[12:16], s.kiss)
	binary.BigEndian.PutUint32(b[8:], uint32(s.root<<16/time.Second))
	copy(b[24:32], request[40:48])
	now := time.Now().Add(s.ahead)
	putTime(b[32:], now)
	putTime(b[40:], now)
	if s.forged != nil {
		return s.forged(b)
	}
	return [][]byte{b}
}

func putTime(b []byte, t time.Time) {
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+2_208_988_800))
	binary.BigEndian.PutUint32(b[4:], uint32(uint64(t.Nanosecond())<<32/1_000_000_000))
}

// inBubble runs an SNTP against a world, with the clock of synctest.
func inBubble(t *testing.T, servers map[string]*says, test func(t *testing.T, w *world, s *SNTP)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{servers: servers}
		cfg := Config{Dial: w.dial}
		for _, address := range []string{"a:123", "b:123", "c:123"} {
			if servers[address] != nil {
				cfg.Servers = append(cfg.Servers, address)
			}
		}
		s, err := NewSNTP(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.Run(ctx)
		}()
		synctest.Wait()
		test(t, w, s)
		cancel()
		<-ended
	})
}

// ahead is how far the time of s is ahead of the host's.
func ahead(s *SNTP) time.Duration { return s.Now().Sub(time.Now().Round(0)) }

func near(a, b time.Duration) bool { return (a - b).Abs() < time.Millisecond }

const hour = time.Hour

// Conformance: sTm1, cTm.
func TestTheTimeIsThatOfTheServer(t *testing.T) {
	for _, off := range []time.Duration{0, 3 * hour, -3 * hour, 50 * 365 * 24 * hour} {
		inBubble(t, map[string]*says{"a:123": {ahead: off, root: 2 * time.Millisecond}}, func(t *testing.T, _ *world, s *SNTP) {
			if got := ahead(s); !near(got, off) {
				t.Errorf("got %v, want %v", got, off)
			}
			want := acsi.LeapSecondsKnown | 8 // 2 ms are less than 2⁻⁸ s
			if got := s.Quality(); got != want {
				t.Errorf("quality: got %v, want %v", got, want)
			}
			if got := s.State(); !got.Synchronized || got.Server != "a:123" || got.Stratum != 1 {
				t.Errorf("state: %+v", got)
			}
			select {
			case <-s.Synchronized():
			default:
				t.Error("Synchronized is open")
			}
		})
	}
}

// Conformance: sTm2.
func TestTheAccuracyIsThatOfTheTime(t *testing.T) {
	for root, want := range map[time.Duration]acsi.TimeQuality{
		0: 24, 16 * time.Microsecond: 16, time.Millisecond: 9, 30 * time.Millisecond: 5, 900 * time.Millisecond: 0, 10 * time.Second: 0,
	} {
		inBubble(t, map[string]*says{"a:123": {root: root}}, func(t *testing.T, _ *world, s *SNTP) {
			if got := s.Quality(); got != acsi.LeapSecondsKnown|want {
				t.Errorf("at a root distance of %v: got %v, want accuracy %d", root, got, want)
			}
		})
	}
	inBubble(t, map[string]*says{"a:123": {}}, func(t *testing.T, w *world, s *SNTP) {
		w.set(func() { w.servers["a:123"].silent = true })
		time.Sleep(5 * time.Minute) // in which it may have gone wrong by 15 ms
		if got := s.Quality(); got != acsi.LeapSecondsKnown|6 {
			t.Errorf("after five minutes alone: got %v, want accuracy 6", got)
		}
	})
}

// Conformance: sTmN1.
func TestALostServerShowsAfterTheHoldover(t *testing.T) {
	inBubble(t, map[string]*says{"a:123": {ahead: hour}}, func(t *testing.T, w *world, s *SNTP) {
		w.set(func() { w.servers["a:123"].silent = true })
		lost := time.Now()
		time.Sleep(10*time.Minute - time.Nanosecond)
		if got := s.Quality(); got&acsi.ClockNotSynchronized != 0 {
			t.Errorf("before: %v", got)
		}
		time.Sleep(2 * time.Nanosecond)
		if got := s.Quality(); got != unknown || s.State().Synchronized {
			t.Errorf("%v later: %v", time.Since(lost), got)
		}
		if got := ahead(s); !near(got, hour) {
			t.Errorf("its time has become another: %v", got)
		}
		w.set(func() { w.servers["a:123"].silent = false })
		time.Sleep(70 * time.Second)
		if got := s.Quality(); got&acsi.ClockNotSynchronized != 0 {
			t.Errorf("when it is back: %v", got)
		}
	})
}

// Conformance: sTmN2.
func TestAServerThatHasNoTimeIsNotBelieved(t *testing.T) {
	for name, a := range map[string]*says{
		"it says so":            {leap: 3},
		"its stratum is 16":     {stratum: 16},
		"its root is far":       {root: 17 * time.Second},
		"it does not answer":    {silent: true},
		"it is at initial sync": {kiss: "INIT"},
		"it denies":             {kiss: "DENY"},
	} {
		t.Run(name, func(t *testing.T) {
			a.ahead = hour
			inBubble(t, map[string]*says{"a:123": a}, func(t *testing.T, _ *world, s *SNTP) {
				time.Sleep(time.Minute)
				if got := s.Quality(); got != unknown || ahead(s) != 0 || s.State().Synchronized {
					t.Errorf("quality %v, %v ahead", got, ahead(s))
				}
				select {
				case <-s.Synchronized():
					t.Error("Synchronized is closed")
				default:
				}
			})
		})
	}
}

// Conformance: sTmN2.
func TestALargeStepIsTakenWhenItIsSaidThrice(t *testing.T) {
	inBubble(t, map[string]*says{"a:123": {}}, func(t *testing.T, w *world, s *SNTP) {
		w.set(func() { w.servers["a:123"].ahead = hour })
		time.Sleep(64*time.Second + 20*time.Second) // asked twice
		if got := ahead(s); got != 0 || w.questions("a:123") != 3 {
			t.Fatalf("after %d questions: %v ahead", w.questions("a:123"), got)
		}
		time.Sleep(20 * time.Second)
		if got := s.State(); !near(ahead(s), hour) || got.Steps != 1 || !got.Synchronized {
			t.Errorf("%v ahead, %+v", ahead(s), got)
		}
		w.set(func() { w.servers["a:123"].ahead = 0 })
		time.Sleep(64*time.Second + time.Second)
		w.set(func() { w.servers["a:123"].ahead = hour }) // it was a whim
		time.Sleep(5 * time.Minute)
		if got := s.State(); !near(ahead(s), hour) || got.Steps != 1 {
			t.Errorf("after a whim: %v ahead, %+v", ahead(s), got)
		}
		steps := 0
		w.set(func() { w.servers["a:123"].ahead = -hour })
		for range 20 { // each answer another
			time.Sleep(minPoll)
			steps++
			w.set(func() { w.servers["a:123"].ahead = time.Duration(-steps) * hour })
		}
		if got := s.State(); !near(ahead(s), hour) || got.Steps != 1 {
			t.Errorf("after confusion: %v ahead, %+v", ahead(s), got)
		}
	})
}

func TestASmallDifferenceIsMadeUpWithoutAStep(t *testing.T) {
	for _, off := range []time.Duration{100 * time.Millisecond, -100 * time.Millisecond} {
		inBubble(t, map[string]*says{"a:123": {}}, func(t *testing.T, w *world, s *SNTP) {
			w.set(func() { w.servers["a:123"].ahead = off })
			last := s.Now()
			for range 10 * 60 {
				time.Sleep(time.Second)
				now := s.Now()
				if gone := now.Sub(last); (gone - time.Second).Abs() > 600*time.Microsecond {
					t.Fatalf("in a second its time has moved by %v", gone)
				}
				last = now
			}
			if got := ahead(s); !near(got, off) || s.State().Steps != 0 {
				t.Errorf("%v ahead, %d steps", got, s.State().Steps)
			}
		})
	}
}

func TestTheMajorityIsRight(t *testing.T) {
	inBubble(t, map[string]*says{"a:123": {ahead: -hour}, "b:123": {ahead: hour, root: time.Second}, "c:123": {ahead: hour + 50*time.Millisecond}},
		func(t *testing.T, w *world, s *SNTP) {
			if got := s.State(); got.Server != "c:123" || !near(got.Offset, hour+50*time.Millisecond) || got.Disputed {
				t.Errorf("two of three: %+v", got)
			}
			w.set(func() { w.servers["c:123"].ahead = 2 * hour })
			time.Sleep(11 * time.Minute)
			if got := s.State(); got.Synchronized || !got.Disputed {
				t.Errorf("each says another: %+v", got)
			}
		})
	inBubble(t, map[string]*says{"a:123": {}, "b:123": {ahead: hour}}, func(t *testing.T, _ *world, s *SNTP) {
		if got := s.State(); got.Synchronized || !got.Disputed {
			t.Errorf("one of two: %+v", got)
		}
	})
	inBubble(t, map[string]*says{"a:123": {silent: true}, "b:123": {ahead: hour}}, func(t *testing.T, _ *world, s *SNTP) {
		time.Sleep(3 * time.Second)
		if got := s.State(); !got.Synchronized || got.Server != "b:123" {
			t.Errorf("one answers: %+v", got)
		}
	})
}

func TestKissOfDeathIsHeeded(t *testing.T) {
	for _, test := range []struct {
		kiss     string
		within   time.Duration
		question int
	}{
		{"DENY", 24 * hour, 1}, {"RSTR", 24 * hour, 1},
		{"RATE", 128*time.Second - 1, 1}, {"RATE", 128*time.Second + minPoll, 2}, {"RATE", 24 * hour, 30},
	} {
		inBubble(t, map[string]*says{"a:123": {kiss: test.kiss}}, func(t *testing.T, w *world, _ *SNTP) {
			time.Sleep(test.within)
			if got := w.questions("a:123"); got > test.question || got == 0 || test.kiss == "RATE" && got < 2 && test.question > 1 {
				t.Errorf("%s: asked %d times in %v, want at most %d", test.kiss, got, test.within, test.question)
			}
		})
	}
}

func TestNobodyIsAskedTooOften(t *testing.T) {
	for name, a := range map[string]*says{"it answers": {}, "it is silent": {silent: true}, "it has no time": {leap: 3}} {
		inBubble(t, map[string]*says{"a:123": a}, func(t *testing.T, w *world, _ *SNTP) {
			time.Sleep(24 * hour)
			w.mu.Lock()
			defer w.mu.Unlock()
			for i, at := range a.asked[1:] {
				if wait := at.Sub(a.asked[i]); wait < minPoll {
					t.Fatalf("%s: asked again after %v", name, wait)
				}
			}
		})
	}
}

func TestForgedAnswersAreNotTaken(t *testing.T) {
	for name, forge := range map[string]func(b []byte){
		"another request":         func(b []byte) { b[31]++ },
		"a client's":              func(b []byte) { b[0] = 4<<3 | 3 },
		"a broadcast":             func(b []byte) { b[0] = 4<<3 | 5 },
		"version 1":               func(b []byte) { b[0] = 1<<3 | 4 },
		"without a time":          func(b []byte) { clear(b[40:48]) },
		"sent before it was read": func(b []byte) { b[43]-- },
	} {
		t.Run(name, func(t *testing.T) {
			a := &says{ahead: hour}
			a.forged = func(b []byte) [][]byte { forge(b); return [][]byte{b} }
			inBubble(t, map[string]*says{"a:123": a}, func(t *testing.T, w *world, s *SNTP) {
				time.Sleep(2 * time.Second)
				if s.State().Synchronized {
					t.Error("it was taken")
				}
				a := w.servers["a:123"]
				w.set(func() {
					a.forged = func(b []byte) [][]byte { // before the true one
						wrong := append([]byte(nil), b...)
						forge(wrong)
						return [][]byte{wrong, {1, 2, 3}, b}
					}
				})
				time.Sleep(2 * minPoll)
				if got := s.State(); !got.Synchronized || !near(got.Offset, hour) {
					t.Errorf("the true one that followed: %+v", got)
				}
			})
		})
	}
}

func TestServersAreNamed(t *testing.T) {
	for name, want := range map[string]string{
		"ntp.example": "ntp.example:123", "ntp.example:1123": "ntp.example:1123", "192.0.2.1": "192.0.2.1:123", "[2001:db8::1]": "[2001:db8::1]:123",
		"2001:db8::1": "[2001:db8::1]:123", "[2001:db8::1]:1123": "[2001:db8::1]:1123",
		"": "", ":123": "", "a b": "", "host:0": "", "host:x": "", "host:99999": "", "a:b:c": "", "http://host": "",
	} {
		if got, err := serverAddress(name); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
	for name, cfg := range map[string]Config{
		"no server": {}, "asked too often": {Servers: []string{"a"}, Poll: time.Second}, "lost too soon": {Servers: []string{"a"}, Holdover: time.Second},
		"no name": {Servers: []string{"a", ""}},
	} {
		if _, err := NewSNTP(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOverUDP(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := conn.LocalAddr().String()
	w := &world{servers: map[string]*says{address: {ahead: hour}}}
	served := make(chan struct{})
	go func() {
		defer close(served)
		b := make([]byte, 100)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			for _, packet := range w.answer(address, b[:n]) {
				conn.WriteTo(packet, from)
			}
		}
	}()
	s, err := NewSNTP(Config{Servers: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	<-s.Synchronized()
	if got := ahead(s); (got - hour).Abs() > time.Second {
		t.Errorf("%v ahead, want an hour", got)
	}
	cancel()
	<-ended
	conn.Close()
	<-served
}

func FuzzParse(f *testing.F) {
	w := &world{servers: map[string]*says{"a": {}, "kiss": {kiss: "RATE"}}}
	f.Add(w.answer("a", request(7))[0])
	f.Add(w.answer("kiss", request(7))[0])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parse(b, 7)
		if err == nil && a.kissOfDeath == "" && !a.unsyncedSelf && (a.stratum < 1 || a.stratum > 15 || a.root > maxRoot || a.transmitted.Before(a.received)) {
			t.Errorf("taken: %+v", a)
		}
	})
}
