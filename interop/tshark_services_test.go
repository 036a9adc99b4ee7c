//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/iso81"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// Wireshark's dissectors read data sets, reports, commands, logs, setting groups and files, each service once that succeeds and
// where it can be once that fails.
func TestTsharkUnderstandsEveryService(t *testing.T) {
	c := newCapture()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "1.cfg"), bytes.Repeat([]byte("COMTRADE\n"), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	engine, err := server.New(server.Config{Model: testbed.Model(t, "../app/demo/scl/feeder.cid"), Files: root})
	if err != nil {
		t.Fatal(err)
	}
	at := c.tee(t, overTCP(t, engine, iso81.ServerConfig{Subject: func(iso81.Credentials) (rbac.Subject, error) {
		var policy *rbac.Policy
		return rbac.Subject{Name: "ems", Grants: []rbac.Grant{policy.NewGrant(rbac.Engineer, ""), policy.NewGrant(rbac.Operator, "")}}, nil
	}}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, use := range []func(*testing.T, context.Context, *server.Engine, *mmsmap.Client){useReports, useDataSets, useControls, useLogs, useSettings, useFiles} {
		link, err := iso81.Dial(ctx, at, iso81.Config{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := mmsmap.Associate(ctx, link, assoc.Config{})
		if err != nil {
			t.Fatal(err)
		}
		use(t, ctx, engine, a)
		if err := a.Release(ctx); err != nil {
			t.Error(err)
		}
	}
	text := c.dissect(t)
	for _, line := range complaints(text) {
		t.Errorf("tshark says: %s", line)
	}
	for _, want := range []string{"unconfirmed-PDU", "informationReport", "variableListName", "defineNamedVariableList", "getNamedVariableListAttributes",
		"deleteNamedVariableList", "numberDeleted: 1", "readJournal", "occurenceTime", "variableTag", "LastApplError", "fileOpen", "fileRead", "fileClose", "fileDelete",
		"fileDirectory", "obtainFile", "file-non-existent", "moreFollows: False"} {
		if !strings.Contains(text, want) {
			t.Errorf("tshark does not speak of %q", want)
		}
	}
}

const node = "FDR1LD0/LLN0"

func useReports(t *testing.T, ctx context.Context, e *server.Engine, a *mmsmap.Client) {
	for _, block := range []string{"urcbMeasurements01.%s[RP]", "brcbProtection01.%s[BR]"} {
		attribute := func(name string) acsi.Ref { return acsi.MustRef(node + "." + strings.Replace(block, "%s", name, 1)) }
		noRefusal(t)(a.SetDataValues(ctx, []acsi.Assignment{{Ref: attribute("RptEna"), Value: value.Bool(true)}}))
		noRefusal(t)(a.SetDataValues(ctx, []acsi.Assignment{{Ref: attribute("GI"), Value: value.Bool(true)}}))
		notice, err := a.Next(ctx)
		if report, ok := notice.(*acsi.Report); !ok || len(report.Included) == 0 {
			t.Errorf("after a general interrogation: got %+v, %v, want a report", notice, err)
		}
	}
	start(t, e, true)
	notice, err := a.Next(ctx)
	if report, ok := notice.(*acsi.Report); !ok || report.EntryID == (acsi.EntryID{}) {
		t.Errorf("after a change: got %+v, %v, want a report of an entry", notice, err)
	}
}

// start has the protection start, or end it.
func start(t *testing.T, e *server.Engine, on bool) {
	t.Helper()
	general, err := e.Handle(acsi.MustRef("FDR1LD0/PTOC1.Str.general[ST]"))
	if err != nil {
		t.Fatal(err)
	}
	e.Update(func(tx *server.Tx) { err = tx.Set(general, value.Bool(on)) })
	if err != nil {
		t.Fatal(err)
	}
}

func useDataSets(t *testing.T, ctx context.Context, _ *server.Engine, a *mmsmap.Client) {
	ln := acsi.MustRef(node)
	member := []acsi.Ref{acsi.MustRef("FDR1LD0/PTOC1.Str[ST]")}
	for _, name := range []string{node + ".Mine", "@mine"} {
		ref, err := acsi.ParseDataSetRef(name)
		note := func(what string, err error) {
			if err != nil {
				t.Errorf("%s of %v: %v", what, ref, err)
			}
		}
		note("the name", err)
		note("CreateDataSet", a.CreateDataSet(ctx, ref, member))
		if err := a.CreateDataSet(ctx, ref, member); err == nil {
			t.Errorf("%v was made twice", ref)
		}
		_, err = a.GetDataSetDirectory(ctx, ref)
		note("GetDataSetDirectory", err)
		_, err = a.GetDataSetValues(ctx, ref)
		note("GetDataSetValues", err)
		note("DeleteDataSet", a.DeleteDataSet(ctx, ref))
		if err := a.DeleteDataSet(ctx, ref); err == nil {
			t.Errorf("%v was deleted twice", ref)
		}
	}
	if sets, err := a.GetDataSets(ctx, ln); err != nil || len(sets) < 4 || slices.Contains(sets, "Mine") {
		t.Errorf("data sets: got %v, %v", sets, err)
	}
	if err := a.DeleteDataSet(ctx, acsi.MustRef(node+".Protection")); err == nil {
		t.Error("a data set of the engineering was deleted")
	}
}

func useControls(t *testing.T, ctx context.Context, _ *server.Engine, a *mmsmap.Client) {
	ctl, err := client.New(a).Control(ctx, acsi.MustRef("FDR1LD0/CSWI1.Pos"))
	if err != nil {
		t.Fatal(err)
	}
	if err := ctl.Operate(ctx, value.Bool(false), client.Operation{}); err != nil {
		t.Errorf("operate: %v", err)
	}
	cancel := acsi.MustRef("FDR1LD0/CSWI1.Pos.Cancel[CO]")
	read, err := a.GetDataValues(ctx, []acsi.Ref{cancel})
	if err != nil || read[0].Err != nil {
		t.Fatalf("Cancel: %+v, %v", read, err)
	}
	errs, err := a.SetDataValues(ctx, []acsi.Assignment{{Ref: cancel, Value: read[0].Value}})
	if err != nil || errs[0] == nil {
		t.Errorf("what was not selected was cancelled: %v, %v", errs, err)
	}
}

func useLogs(t *testing.T, ctx context.Context, e *server.Engine, a *mmsmap.Client) {
	start(t, e, false)
	if logs, err := a.GetLogs(ctx, acsi.MustRef(node)); err != nil || len(logs) != 1 {
		t.Errorf("logs: got %v, %v", logs, err)
	}
	log := acsi.MustRef(node + ".Events")
	entries, _, err := a.QueryLogByTime(ctx, log, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(entries) < 2 {
		t.Fatalf("by time: got %v, %v, want two entries", entries, err)
	}
	if rest, _, err := a.QueryLogAfter(ctx, log, entries[0].Time, entries[0].ID); err != nil || len(rest) != len(entries)-1 {
		t.Errorf("after the first: got %v, %v", rest, err)
	}
	if _, _, err := a.QueryLogByTime(ctx, acsi.MustRef(node+".NoSuch"), time.Time{}, time.Time{}); err == nil {
		t.Error("there is a log called NoSuch")
	}
}

func useSettings(t *testing.T, ctx context.Context, _ *server.Engine, a *mmsmap.Client) {
	c := client.New(a)
	if _, err := c.SettingGroups(ctx, "FDR1LD0"); err != nil {
		t.Error(err)
	}
	if err := c.ActivateGroup(ctx, "FDR1LD0", 2); err != nil {
		t.Error(err)
	}
	if err := c.EditGroup(ctx, "FDR1LD0", 1); err != nil {
		t.Error(err)
	}
	if err := c.ConfirmEdit(ctx, "FDR1LD0"); err != nil {
		t.Error(err)
	}
}

func useFiles(t *testing.T, ctx context.Context, _ *server.Engine, a *mmsmap.Client) {
	c := client.New(a)
	if files, err := c.Files(ctx, ""); err != nil || len(files) != 1 {
		t.Errorf("files: got %v, %v", files, err)
	}
	var got bytes.Buffer
	if _, err := c.GetFile(ctx, "1.cfg", 0, &got, nil); err != nil || got.Len() != 18000 {
		t.Errorf("GetFile: got %d octets, %v", got.Len(), err)
	}
	if err := c.PutFile(ctx, "2.cfg", strings.NewReader("new"), 3, nil); err != nil {
		t.Error(err)
	}
	if err := c.DeleteFile(ctx, "2.cfg"); err != nil {
		t.Error(err)
	}
	if err := c.DeleteFile(ctx, "2.cfg"); err == nil {
		t.Error("a file was deleted twice")
	}
}

// noRefusal wants the services that set values to succeed.
func noRefusal(t *testing.T) func(errs []error, err error) {
	return func(errs []error, err error) {
		t.Helper()
		for _, e := range append(errs, err) {
			if e != nil {
				t.Error(e)
			}
		}
	}
}
