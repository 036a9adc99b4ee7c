package site

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestWhatIsAProcess(t *testing.T) {
	for _, tc := range []struct{ text, err, hint string }{
		{"", "", ""},
		{"exec:true an argument", "", ""},
		{"exec:", `"exec:" is no process`, "write exec: and a program"},
		{"./inverter.py", `"./inverter.py" is no process`, "write exec: and a program"},
		{"exec:busbar-has-no-such-program x", "busbar-has-no-such-program", "give the path of a program"},
	} {
		p, err := processOf(tc.text, silent)
		if tc.err != "" {
			wantError(t, err, tc.err, tc.hint)
		} else if err != nil || (p != nil) != (tc.text != "") {
			t.Errorf("%q: got %v, %v", tc.text, p, err)
		}
	}
}

// The values of an IED are those of its process.
func TestIEDHasTheValuesOfItsProcess(t *testing.T) {
	program := filepath.Join(t.TempDir(), "process.sh")
	text := `#!/bin/sh
read hello
echo '{"ref":"PV1LD0/MMXU1.TotW.mag.f","value":12.5}'
echo '{"get":"PV1LD0/MMXU1.TotW.mag.f"}'
read answer
echo "$answer" >&2
while read line; do :; done
`
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := &awaited{text: `\"value\":12.5`, found: make(chan struct{})}
	ended := make(chan error, 1)
	o := IEDOptions{SCL: "../demo/scl/pv.cid", Process: "exec:" + program, MMS: ListenMMS{Address: "127.0.0.1:0"}}
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	go func() { ended <- s.RunIED(ctx, o) }()
	select {
	case <-log.found:
	case err := <-ended:
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// awaited tells when something with a text is written to it.
type awaited struct {
	text  string
	found chan struct{}
	once  sync.Once
}

func (a *awaited) Write(b []byte) (int, error) {
	if strings.Contains(string(b), a.text) {
		a.once.Do(func() { close(a.found) })
	}
	return len(b), nil
}
