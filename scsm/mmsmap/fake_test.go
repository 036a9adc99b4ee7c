package mmsmap_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// fake is services that note what they are asked and answer what a test has put into them.
type fake struct {
	acsi.UnimplementedServices
	asked   []string // by the one handler that runs at a time
	err     error    // of every service but the directories
	names   []string
	set     acsi.DataSet
	results []acsi.Result
	errs    []error
	entries []acsi.LogEntry
	more    bool
	files   []acsi.File
	content []byte // of the file that is read
	written []byte // of the file that is written
	sealed  time.Time
	told    chan acsi.Notice
	closed  chan struct{}
}

func newFake() *fake { return &fake{told: make(chan acsi.Notice, 16), closed: make(chan struct{}, 16)} }

func (f *fake) services(rbac.Subject) acsi.Services { return f }

func (f *fake) note(format string, args ...any) {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
}

func (f *fake) Supported() acsi.ServiceSet { return ^acsi.ServiceSet(0) }

func (f *fake) GetLogicalDeviceDirectory(context.Context, string) ([]string, error) {
	return []string{"LLN0", "MMXU1"}, nil
}

func (f *fake) SetDataValues(ctx context.Context, assignments []acsi.Assignment) ([]error, error) {
	f.sealed, _ = acsi.SealedAt(ctx)
	for _, a := range assignments {
		f.note("set %v = %v", a.Ref, a.Value)
	}
	return f.errs, f.err
}

func (f *fake) GetDataValues(_ context.Context, refs []acsi.Ref) ([]acsi.Result, error) {
	f.note("get %v", refs)
	return f.results, f.err
}

func (f *fake) GetDataSets(_ context.Context, ln acsi.Ref) ([]string, error) {
	f.note("data sets %v", ln)
	if ln.LN() == "MMXU1" {
		return nil, f.err
	}
	return f.names, f.err
}

func (f *fake) GetDataSetDirectory(_ context.Context, ref acsi.Ref) (*acsi.DataSet, error) {
	f.note("data set %v", ref)
	if f.set.Ref != ref {
		return nil, acsi.Errorf(acsi.ObjectNonExistent, "no %v", ref)
	}
	return &f.set, nil
}

func (f *fake) GetDataSetValues(_ context.Context, ref acsi.Ref) ([]acsi.Result, error) {
	f.note("values %v", ref)
	return f.results, f.err
}

func (f *fake) SetDataSetValues(_ context.Context, ref acsi.Ref, values []value.Value) ([]error, error) {
	f.note("set %v = %v", ref, values)
	return f.errs, f.err
}

func (f *fake) CreateDataSet(_ context.Context, ref acsi.Ref, members []acsi.Ref) error {
	f.note("create %v %v", ref, members)
	return f.err
}

func (f *fake) DeleteDataSet(_ context.Context, ref acsi.Ref) error {
	f.note("delete %v", ref)
	return f.err
}

func (f *fake) GetLogs(_ context.Context, ln acsi.Ref) ([]string, error) {
	f.note("logs %v", ln)
	return f.names, f.err
}

func (f *fake) QueryLogByTime(_ context.Context, log acsi.Ref, from, to time.Time) ([]acsi.LogEntry, bool, error) {
	f.note("log %v from %v to %v", log, stamp(from), stamp(to))
	return f.entries, f.more, f.err
}

func (f *fake) QueryLogAfter(_ context.Context, log acsi.Ref, at time.Time, after acsi.EntryID) ([]acsi.LogEntry, bool, error) {
	f.note("log %v after %v %d", log, stamp(at), after.Number())
	return f.entries, f.more, f.err
}

// stamp is a time to a millisecond; - for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000")
}

func (f *fake) GetFiles(_ context.Context, name string) ([]acsi.File, error) {
	f.note("files %q", name)
	return f.files, f.err
}

func (f *fake) OpenFile(_ context.Context, name string, offset uint32) (io.ReadCloser, acsi.File, error) {
	f.note("open %q at %d", name, offset)
	if f.err != nil {
		return nil, acsi.File{}, f.err
	}
	return closer{bytes.NewReader(f.content[offset:]), f}, acsi.File{Name: name, Size: uint32(len(f.content)), Modified: noon}, nil
}

// closer notes that a file was closed.
type closer struct {
	io.Reader
	fake *fake
}

func (c closer) Close() error {
	c.fake.note("close")
	return nil
}

func (f *fake) SetFile(_ context.Context, name string, content io.Reader) error {
	f.note("write %q", name)
	if f.err != nil {
		return f.err
	}
	var err error
	f.written, err = io.ReadAll(content)
	return err
}

func (f *fake) DeleteFile(_ context.Context, name string) error {
	f.note("remove %q", name)
	return f.err
}

func (f *fake) Next(ctx context.Context) (acsi.Notice, error) {
	select {
	case n := <-f.told:
		return n, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fake) Close(context.Context) error {
	f.closed <- struct{}{}
	return nil
}

// heard is what f was asked since the last time.
func (f *fake) heard() []string {
	asked := f.asked
	f.asked = nil
	return asked
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// next is the next notice, of type N.
func next[N acsi.Notice](t testing.TB, c acsi.Services) N {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := c.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	notice, ok := n.(N)
	if !ok {
		t.Fatalf("got %#v", n)
	}
	return notice
}
