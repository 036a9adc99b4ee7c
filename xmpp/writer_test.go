package xmpp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// newTestWriter returns a running writer, and the end of its connection that reads.
func newTestWriter(limit int) (w *writer, r net.Conn, ended <-chan error) {
	a, b := net.Pipe()
	w = newWriter(a, 10*time.Second, limit)
	done := make(chan error, 1)
	go func() {
		_, err := w.run(nil)
		done <- err
		a.Close()
	}()
	return w, b, done
}

func parts(s ...string) [][]byte {
	var p [][]byte
	for _, s := range s {
		p = append(p, []byte(s))
	}
	return p
}

func TestWriterCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, ended := newTestWriter(1000)
		defer r.Close()
		if err := w.push(parts("<a>", "1", "</a>")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // in the first write
		for i := range 3 {
			if err := w.push(parts(fmt.Sprint("<b", i, "/>"))); err != nil {
				t.Fatal(err)
			}
		}
		w.finish([]byte("<end/>"), time.Now().Add(time.Second))
		var got []string
		for {
			b := make([]byte, 100)
			n, err := r.Read(b)
			if err != nil {
				break
			}
			got = append(got, string(b[:n]))
		}
		if s := strings.Join(got, "|"); s != "<a>1</a>|<b0/><b1/><b2/><end/>" {
			t.Errorf("written: %s", s)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := w.push(parts("x")); err != errEnded {
			t.Errorf("push after the end: %v", err)
		}
		if err := w.send(t.Context(), parts("x")); err != errEnded {
			t.Errorf("send after the end: %v", err)
		}
	})
}

// A writer that dozes has no goroutine until there is something to write, and ends as any does.
func TestWriterDozes(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(w *writer)
		want string
	}{
		"something to write": {func(w *writer) {
			w.push(parts("<b/>"))
			synctest.Wait()
			w.finish([]byte("<end/>"), time.Now().Add(time.Second))
		}, "<a/>|<b/>|<end/>"},
		"the end":    {func(w *writer) { w.finish([]byte("<end/>"), time.Now().Add(time.Second)) }, "<a/>|<end/>"},
		"the cut":    {func(w *writer) { w.detach(nil, time.Now()) }, "<a/>"},
		"an answer":  {func(w *writer) { w.answer(); synctest.Wait(); w.finish(nil, time.Now().Add(time.Second)) }, "<a/>|<a xmlns='urn:xmpp:sm:3' h='0'/>"},
		"a question": {func(w *writer) { w.ask(); synctest.Wait(); w.detach(nil, time.Now()) }, "<a/>|<r xmlns='urn:xmpp:sm:3'/>"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, r := net.Pipe()
				w := newWriter(a, 10*time.Second, 1000)
				w.manage(&management{id: "id", resume: time.Minute}, nil)
				starts := 0
				var run func()
				run = func() {
					starts++
					if over, _ := w.run(run); over {
						a.Close()
					}
				}
				go run()
				w.push(parts("<a/>"))
				var got []string
				read := make(chan struct{})
				go func() {
					defer close(read)
					for b := make([]byte, 100); ; {
						n, err := r.Read(b)
						if err != nil {
							return
						}
						got = append(got, string(b[:n]))
					}
				}()
				synctest.Wait()
				w.doze()
				synctest.Wait()
				w.mu.Lock()
				dozes := w.asleep != nil
				w.mu.Unlock()
				if !dozes {
					t.Error("its goroutine is still there")
				}
				w.doze() // once more is no harm
				tt.end(w)
				<-read
				if s := strings.Join(got, "|"); s != tt.want || starts < 2 {
					t.Errorf("written: %s, want %s; it was started %d times", s, tt.want, starts)
				}
			})
		})
	}
}

func TestWriterQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, ended := newTestWriter(10)
		w.push(parts("0123456789abcdef")) // alone, it may be larger
		synctest.Wait()
		if err := errors.Join(w.push(parts("12345")), w.push(parts("67890"))); err != nil {
			t.Fatal(err)
		}
		if err := w.push(parts("x")); err != ErrQueueFull {
			t.Errorf("push to a full queue: %v", err)
		}
		if err := w.pushUrgent([]byte("u")); err != nil {
			t.Errorf("no reserve for answers: %v", err)
		}
		if err := w.pushUrgent(make([]byte, reserve)); err != ErrQueueFull {
			t.Errorf("the reserve has no bound: %v", err)
		}

		// Those who wait are served in their order, and before others.
		sent := make(chan error, 3)
		for i := range 3 {
			go func() { sent <- w.send(t.Context(), parts(strings.Repeat(fmt.Sprint(i), 4))) }()
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.send(ctx, parts("late")); err != context.DeadlineExceeded {
			t.Errorf("a send that was given up: %v", err)
		}
		if err := w.push(parts("")); err != ErrQueueFull {
			t.Errorf("push before those who wait: %v", err)
		}
		want := "0123456789abcdef" + "1234567890u" + "0000" + "1111" + "2222"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
			t.Errorf("written: %q, %v; want %q", got, err, want)
		}
		for range 3 {
			if err := <-sent; err != nil {
				t.Error(err)
			}
		}
		w.finish(nil, time.Now())
		<-ended
		r.Close()
	})
}

func TestWriterGivesUpOnAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, ended := newTestWriter(10)
		defer r.Close()
		start := time.Now()
		w.push(parts("x"))
		err := <-ended
		if d := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || d != 10*time.Second {
			t.Errorf("after %v: %v", d, err)
		}
	})
}

func TestWriterHasTimeForEachChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, ended := newTestWriter(10 * chunk)
		want := bytes.Repeat([]byte("0123456789abcdef"), 4*chunk/16)
		w.push([][]byte{want})
		w.finish(nil, time.Now().Add(time.Hour))
		var got []byte
		for { // 9 s for a chunk: slow, but not dead
			time.Sleep(9 * time.Second)
			b := make([]byte, chunk)
			n, err := io.ReadFull(r, b)
			got = append(got, b[:n]...)
			if err != nil {
				break
			}
		}
		if err := <-ended; err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d octets of %d arrived, %v", len(got), len(want), err)
		}
	})
}

func TestWriterFinishesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, ended := newTestWriter(10)
		defer r.Close()
		waiting := make(chan error, 1)
		w.push(parts("x"))
		synctest.Wait()
		w.push(parts("0123456789"))
		go func() { waiting <- w.send(t.Context(), parts("y")) }()
		synctest.Wait()
		start := time.Now()
		w.finish([]byte("</end>"), start.Add(2*time.Second))
		if err := <-waiting; err != errEnded {
			t.Errorf("send during the end: %v", err)
		}
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
