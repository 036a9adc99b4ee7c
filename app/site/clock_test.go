package site

import (
	"cmp"
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// timeServer answers SNTP at its address, an hour ahead, until the test ends.
func timeServer(t *testing.T) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-served
	})
	go func() {
		defer close(served)
		b := make([]byte, 48)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 48 {
				continue
			}
			answer := make([]byte, 48)
			answer[0], answer[1] = 4<<3|4, 1
			copy(answer[24:32], b[40:48])
			now := time.Now().Add(time.Hour)
			for _, at := range []int{32, 40} {
				binary.BigEndian.PutUint32(answer[at:], uint32(now.Unix()+2_208_988_800))
				binary.BigEndian.PutUint32(answer[at+4:], uint32(uint64(now.Nanosecond())<<32/1_000_000_000))
			}
			conn.WriteTo(answer, from)
		}
	}()
	return conn.LocalAddr().String()
}

// onLine runs an IED that nobody can reach until the test ends.
func onLine(t *testing.T, s *Site, o IEDOptions) *RunningIED {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan *RunningIED, 1), make(chan error, 1)
	o.SCL = cmp.Or(o.SCL, "../demo/scl/pv.cid")
	o.Ready = func(running *RunningIED) { ready <- running }
	go func() { ended <- s.RunIED(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case running := <-ready:
		return running
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return nil
	}
}

// Conformance: sTm1.
func TestAnIEDGoesByItsTimeServer(t *testing.T) {
	events := &eventQueue{found: make(chan audit.Event, 10)}
	o := IEDOptions{SNTP: []string{timeServer(t)}}
	o.Audit = events
	running := onLine(t, newSite(t), o)
	var now acsi.Timestamp
	running.Engine.Update(func(tx *server.Tx) { now = tx.Now() })
	if off := time.Until(now.Time) - time.Hour; off.Abs() > time.Minute || now.Quality&acsi.ClockNotSynchronized != 0 {
		t.Errorf("it has %v, %v from the server's", now, off)
	}
	if e := <-events.found; e.ID != audit.ClockSynced {
		t.Errorf("event %+v", e)
	}
}

// eventQueue passes events on.
type eventQueue struct{ found chan audit.Event }

func (r *eventQueue) Record(e audit.Event) { r.found <- e }

func TestTimeServersAreNamed(t *testing.T) {
	_, err := clockOf([]string{"host:port"}, silent)
	wantError(t, err, `--sntp: time server "host:port"`, "give the name or the address")
}

func TestAnIEDServesItsFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	running := onLine(t, newSite(t), IEDOptions{Files: dir})
	engineer := rbac.Subject{Name: "ann@dso.example", Grants: []rbac.Grant{(*rbac.Policy)(nil).NewGrant(rbac.Engineer, "*")}}
	files, err := running.Engine.Services(engineer).GetFiles(t.Context(), "")
	if err != nil || len(files) != 2 || files[0].Name != "COMTRADE/" || files[1].Name != "file" {
		t.Errorf("got %+v, %v", files, err)
	}
}

func TestAFolderOfFilesMustBeThere(t *testing.T) {
	_, err := openFiles(filepath.Join(t.TempDir(), "none"))
	wantError(t, err, "--files", "make the folder first")
}
