package mms

import "busbar.example/internal/asn1"

// AlternateAccess selects parts of a variable.
//
// ISO 9506-2, AlternateAccess.
type AlternateAccess []AlternateAccessItem

// AlternateAccessItem is UnnamedAccess or NamedAccess.
type AlternateAccessItem interface{ alternateAccessItem() }

// UnnamedAccess selects a part that has no name of its own in the result.
type UnnamedAccess struct {
	Selection AlternateAccessSelection `asn:"TRANSPARENT"`
}

// NamedAccess selects a part and names it.
type NamedAccess struct {
	ComponentName string                   `asn:"componentName [0] Identifier"`
	Access        AlternateAccessSelection `asn:"access"`
}

func (UnnamedAccess) alternateAccessItem() {}
func (NamedAccess) alternateAccessItem()   {}

var alternateAccessItemDecl = asn1.Choice[AlternateAccessItem]("CHOICE",
	asn1.Alt[UnnamedAccess]("unnamed"),
	asn1.Alt[NamedAccess]("named [5]"),
)

// AlternateAccessSelection is SelectAlternateAccess or SelectAccess.
//
// ISO 9506-2, AlternateAccessSelection.
type AlternateAccessSelection interface{ alternateAccessSelection() }

// SelectAlternateAccess selects parts of a part.
type SelectAlternateAccess struct {
	AccessSelection AccessSelection `asn:"accessSelection"`
	AlternateAccess AlternateAccess `asn:"alternateAccess"`
}

// SelectAccess selects the whole of a part.
type SelectAccess struct {
	Part Part `asn:"TRANSPARENT"`
}

func (SelectAlternateAccess) alternateAccessSelection() {}
func (SelectAccess) alternateAccessSelection()          {}

var alternateAccessSelectionDecl = asn1.Choice[AlternateAccessSelection]("AlternateAccessSelection",
	asn1.Alt[SelectAlternateAccess]("selectAlternateAccess [0]"),
	asn1.Alt[SelectAccess]("selectAccess"),
)

// AccessSelection is Component, Index, IndexRange or AllElements: the part that is selected from further.
type AccessSelection interface{ accessSelection() }

// Part is Component, Index, IndexRange or AllElements: the part that is selected.
type Part interface{ part() }

// Component selects the component of a structure that is called so.
type Component string

// Index selects an element of an array, counted from 0.
type Index uint32

// IndexRange selects elements of an array.
type IndexRange struct {
	LowIndex         uint32 `asn:"lowIndex [0]"`
	NumberOfElements uint32 `asn:"numberOfElements [1]"`
}

// AllElements selects all elements of an array.
type AllElements struct{}

func (Component) accessSelection()   {}
func (Index) accessSelection()       {}
func (IndexRange) accessSelection()  {}
func (AllElements) accessSelection() {}

func (Component) part()   {}
func (Index) part()       {}
func (IndexRange) part()  {}
func (AllElements) part() {}

var accessSelectionDecl = asn1.Choice[AccessSelection]("CHOICE",
	asn1.Alt[Component]("component [0] Identifier"),
	asn1.Alt[Index]("index [1]"),
	asn1.Alt[IndexRange]("indexRange [2]"),
	asn1.Alt[AllElements]("allElements [3]"),
)

var selectAccessDecl = asn1.Choice[Part]("CHOICE",
	asn1.Alt[Component]("component [1] Identifier"),
	asn1.Alt[Index]("index [2]"),
	asn1.Alt[IndexRange]("indexRange [3]"),
	asn1.Alt[AllElements]("allElements [4]"),
)
