package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"testing"
)

// sclFile is as much of an SCL file as its leaves need.
type sclFile struct {
	IEDs []struct {
		Name string `xml:"name,attr"`
		LDs  []struct {
			Inst   string  `xml:"inst,attr"`
			LDName string  `xml:"ldName,attr"`
			LN0    sclLN   `xml:"LN0"`
			LNs    []sclLN `xml:"LN"`
		} `xml:"AccessPoint>Server>LDevice"`
	} `xml:"IED"`
	Types struct {
		LNs []sclType `xml:"LNodeType"`
		DOs []sclType `xml:"DOType"`
		DAs []sclType `xml:"DAType"`
	} `xml:"DataTypeTemplates"`
}

type sclLN struct {
	Prefix string `xml:"prefix,attr"`
	Class  string `xml:"lnClass,attr"`
	Inst   string `xml:"inst,attr"`
	Type   string `xml:"lnType,attr"`
}

type sclType struct {
	ID   string    `xml:"id,attr"`
	DOs  []sclPart `xml:"DO"`
	SDOs []sclPart `xml:"SDO"`
	DAs  []sclPart `xml:"DA"`
	BDAs []sclPart `xml:"BDA"`
}

type sclPart struct {
	Name  string `xml:"name,attr"`
	Type  string `xml:"type,attr"`
	BType string `xml:"bType,attr"`
	FC    string `xml:"fc,attr"`
	Count int    `xml:"count,attr"`
}

// tree is what a model holds, counted by other means than those of the program.
type tree struct {
	lds, lns int
	leaves   map[string]bool // by reference with functional constraint; an array of leaves is one
	dos, das map[string]sclType
}

func leavesOf(t *testing.T, name string) *tree {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var f sclFile
	if err := xml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	all := &tree{leaves: make(map[string]bool), dos: byID(f.Types.DOs), das: byID(f.Types.DAs)}
	lns := byID(f.Types.LNs)
	for _, ld := range f.IEDs[0].LDs {
		all.lds++
		name := ld.LDName
		if name == "" {
			name = f.IEDs[0].Name + ld.Inst
		}
		for _, ln := range append(ld.LNs, ld.LN0) {
			all.lns++
			for _, do := range lns[ln.Type].DOs {
				all.addObject(name+"/"+ln.Prefix+ln.Class+ln.Inst, do)
			}
		}
	}
	return all
}

func byID(types []sclType) map[string]sclType {
	m := make(map[string]sclType)
	for _, t := range types {
		m[t.ID] = t
	}
	return m
}

func (a *tree) addObject(above string, do sclPart) {
	for _, ref := range elements(above+"."+do.Name, do.Count) {
		for _, sdo := range a.dos[do.Type].SDOs {
			a.addObject(ref, sdo)
		}
		for _, da := range a.dos[do.Type].DAs {
			a.addAttribute(ref, da.FC, da)
		}
	}
}

func (a *tree) addAttribute(above, fc string, da sclPart) {
	ref := above + "." + da.Name
	if da.BType != "Struct" {
		a.leaves[ref+"["+fc+"]"] = true
		return
	}
	for _, ref := range elements(ref, da.Count) {
		for _, bda := range a.das[da.Type].BDAs {
			a.addAttribute(ref, fc, bda)
		}
	}
}

// elements are the references of an array's elements, or ref itself.
func elements(ref string, count int) []string {
	if count == 0 {
		return []string{ref}
	}
	var refs []string
	for i := range count {
		refs = append(refs, fmt.Sprintf("%s(%d)", ref, i))
	}
	return refs
}
