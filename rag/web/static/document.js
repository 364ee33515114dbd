// Brings the cited passage of a document into view.

document.querySelector("mark.cited, mark.passage")?.scrollIntoView({ block: "center" });
