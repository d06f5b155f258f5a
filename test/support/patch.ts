/** A diff as git prints it: a file with a changed line, one that is binary, a new one without a line break at its end. */
export const PATCH = `diff --git a/src/sum.js b/src/sum.js
index 1111111..2222222 100644
--- a/src/sum.js
+++ b/src/sum.js
@@ -1,4 +1,5 @@ export function sum
 const a = 1
-const b = 2
+const b = 3
+const c = 4

 diff --git is only text here
diff --git a/logo.png b/logo.png
Binary files a/logo.png and b/logo.png differ
diff --git a/new.txt b/new.txt
new file mode 100644
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+++ looks like a header
\\ No newline at end of file
`
