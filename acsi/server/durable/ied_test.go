package durable

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// counter is a model of one number that is reported when it changes.
func counter() *acsi.Model {
	typ, _ := acsi.BasicType("INT32")
	stVal := &acsi.Node{Name: "stVal", Kind: acsi.DataAttributeNode, FC: acsi.ST, Type: typ, Triggers: acsi.TrgDataChange}
	set := &acsi.DataSet{Ref: acsi.MustRef("LD/LLN0.set"), Members: []acsi.Ref{acsi.MustRef("LD/LLN0.Cnt[ST]")}}
	ln := &acsi.LogicalNode{DataSets: []*acsi.DataSet{set}, Node: &acsi.Node{Name: "LLN0", Kind: acsi.LogicalNodeNode, Children: []*acsi.Node{
		{Name: "Cnt", Kind: acsi.DataObjectNode, Children: []*acsi.Node{stVal}}, acsi.ControlBlock(acsi.BRCB, "b01", acsi.Abilities{})}},
		Reports: []*acsi.ReportControl{{Ref: acsi.MustRef("LD/LLN0.b01[BR]"), DataSet: set.Ref, TrgOps: acsi.TrgDataChange, OptFlds: acsi.OptEntryID}}}
	return &acsi.Model{LDs: []*acsi.LogicalDevice{{Name: "LD", LNs: []*acsi.LogicalNode{ln}}}}
}

// ied is the process that is killed: its number counts up from after first, and it says "EntryID number" of each report that a client gets
// who goes on after resume.
func ied(path, resume string, first int64) error {
	ctx := context.Background()
	s, err := Open(ctx, Config{Path: path})
	if err != nil {
		return err
	}
	e, err := server.New(server.Config{Model: counter(), State: s})
	if err != nil {
		return err
	}
	go e.Run(ctx)
	h, err := e.Handle(acsi.MustRef("LD/LLN0.Cnt.stVal[ST]"))
	if err != nil {
		return err
	}
	peer := e.Services(rbac.Subject{Name: "a@b", Address: "a@b/IEC", Grants: []rbac.Grant{(*rbac.Policy)(nil).NewGrant(rbac.Viewer, "*")}})
	id, err := hex.DecodeString(resume)
	if err != nil {
		return err
	}
	if err := set(ctx, peer, "EntryID", value.Octets(id)); err != nil {
		return err
	}
	if err := set(ctx, peer, "RptEna", value.Bool(true)); err != nil {
		return err
	}
	room := make(chan struct{}, 200) // changes that are not yet reported: the buffer has room for them
	go func() {
		for n := first + 1; ; n++ {
			room <- struct{}{}
			e.Update(func(tx *server.Tx) { err = tx.Set(h, value.Int(n)) })
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}()
	for {
		n, err := peer.Next(ctx)
		if err != nil {
			return err
		}
		r := n.(*acsi.Report)
		number, _ := r.Included[0].Value.At(0).Int()
		fmt.Printf("%x %d\n", r.EntryID, number)
		select {
		case <-room:
		default: // of an earlier run
		}
	}
}

func set(ctx context.Context, peer acsi.Services, name string, v value.Value) error {
	errs, err := peer.SetDataValues(ctx, []acsi.Assignment{{Ref: acsi.MustRef("LD/LLN0.b01." + name + "[BR]"), Value: v}})
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// An IED that is killed again and again, and a client that goes on each time after what it has: it sees all that was buffered, once and
// in order.
func TestKilledIEDLosesNoReport(t *testing.T) {
	const rounds, span = 5, 1_000_000
	path := filepath.Join(t.TempDir(), "state.db")
	resume, last := "0000000000000000", int64(0)
	for round := range int64(rounds) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("DURABLE_IED=%s,%s,%d", path, resume, round*span))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		own := 0 // of this round
		for lines.Scan() {
			var id string
			var n int64
			if _, err := fmt.Sscanf(lines.Text(), "%s %d", &id, &n); err != nil {
				t.Fatalf("the IED says %s", lines.Text())
			}
			if id <= resume || n != last+1 && (own > 0 || n != round*span+1) {
				t.Fatalf("round %d: %s, %d after %s, %d", round, id, n, resume, last)
			}
			if resume, last = id, n; n > round*span {
				own++
			}
			if own == 300 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
		if own < 300 {
			t.Fatalf("round %d: %d reports", round, own)
		}
	}
}

// iedFrom runs ied as the environment says.
func iedFrom(arguments string) {
	var first int64
	parts := strings.Split(arguments, ",")
	_, err := fmt.Sscan(parts[2], &first)
	if err == nil {
		err = ied(parts[0], parts[1], first)
	}
	fmt.Println(err)
	os.Exit(1)
}
