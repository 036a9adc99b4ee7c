package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/secure/rbac"
)

// What a person sees of an IED, found and read and written, is the same over every carrier as beside the engine.
func TestEveryCarrierShowsTheSame(t *testing.T) {
	now := time.Now().Add(time.Minute).Truncate(time.Second) // certificates do not count before they begin
	model := testbed.Model(t, "../../app/demo/scl/pv.cid")
	for _, ld := range model.LDs {
		for _, ln := range ld.LNs {
			forgetNames(ln.Node)
		}
	}
	engine := func(string) (*server.Engine, func(), error) {
		e, err := server.New(server.Config{Model: model, Now: func() time.Time { return now }})
		return e, nil, err
	}
	e, _, err := engine("")
	if err != nil {
		t.Fatal(err)
	}
	roles := []rbac.Role{rbac.Engineer, rbac.Operator} // an error says more beside the engine
	ems := rbac.Subject{Name: "ems@test.example"}
	for _, role := range roles {
		ems.Grants = append(ems.Grants, (*rbac.Policy)(nil).NewGrant(role, ""))
	}
	want := tour(t, e.Services(ems))
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.NewIED("pv1", testbed.IEDConfig{Engine: engine})
		if diff := cmp.Diff(want, tour(t, bed.Associate("ems", "pv1", roles...))); diff != "" {
			t.Errorf("(-beside the engine +over the carrier):\n%s", diff)
		}
	})
}

// forgetNames takes the names of its own enumerations out of a model: they do not travel on MMS.
func forgetNames(n *acsi.Node) {
	n.Enum = nil
	for _, child := range n.Children {
		forgetNames(child)
	}
}

// tour finds, reads and writes, and gives what it has seen.
func tour(t *testing.T, services acsi.Services) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := client.New(services)
	var seen []string
	var leaves []acsi.Ref
	err := c.Walk(ctx, acsi.Ref{}, func(o client.Object) error {
		seen = append(seen, o.Ref.String())
		if o.Node != nil && o.Node.IsLeaf() {
			leaves = append(leaves, o.Ref)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(seen) // MMS has the parts of an object by functional constraint
	slices.SortFunc(leaves, func(a, b acsi.Ref) int { return strings.Compare(a.String(), b.String()) })
	assignment, err := c.ParseAssignment(ctx, "PV1LD0/LLN0.NamPlt.d[DC]=a plant")
	if err != nil {
		t.Fatal(err)
	}
	if errs, err := c.Set(ctx, assignment); err != nil || errs[0] != nil {
		t.Fatalf("set: %v %v", errs, err)
	}
	readings, err := c.Read(ctx, leaves...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readings {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, string(line))
	}
	var text bytes.Buffer
	if err := client.Print(&text, readings, client.Style{Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	return append(seen, text.String())
}
