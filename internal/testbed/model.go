package testbed

import (
	"os"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
)

// Model is the model of the only IED in an SCL file.
func Model(t TB, file string) *acsi.Model {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	model, _, err := doc.Model("", "")
	if err != nil {
		t.Fatal(err)
	}
	return model
}
