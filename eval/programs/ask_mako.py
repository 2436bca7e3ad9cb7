"""Render a template of a folder, its module kept by Mako's `module_directory`."""

import sys

from mako.lookup import TemplateLookup

segment, folder, name = sys.argv[1:]
print(TemplateLookup([segment], module_directory=folder).get_template(name).render(who="you"))
