// Package server is the engine of an IED: it keeps the values of a model, checks every access, and answers the
// services of IEC 61850-7-2 for each associated peer. The process side updates values and hears of writes.
package server
